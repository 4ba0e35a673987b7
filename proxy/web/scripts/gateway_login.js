const link = document.querySelector("[data-visit]")
const others = new BroadcastChannel("isthmus")
let gone = false
const leave = url => { if (!gone) { gone = true; location.replace(url) } }
const start = () => {
  if (location.hash) sessionStorage.setItem(`isthmus-${link.dataset.visit}`, location.hash)
  leave(link.href)
}
others.onmessage = () => { if (link.dataset.target) leave(link.dataset.target + location.hash) }
if (document.visibilityState === "hidden") document.addEventListener("visibilitychange", start, {once: true})
else start()
