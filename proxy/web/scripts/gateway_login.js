const link = document.querySelector("[data-visit]")
const {visit, target} = link.dataset
let gone = false
const leave = go => { if (!gone) { gone = true; go() } }
const start = () => leave(() => {
  if (location.hash) sessionStorage.setItem(`isthmus-${visit}`, location.hash)
  location.replace(link.href)
})
const again = target ? () => leave(() => location.reload()) : start
new BroadcastChannel("isthmus").onmessage = () => { if (target) again() }
if (document.visibilityState !== "hidden") start()
else {
  if (target) history.replaceState(null, "", target + location.hash)
  document.addEventListener("visibilitychange", again, {once: true})
}
