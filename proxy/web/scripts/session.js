const told = document.querySelector("[data-message]").dataset
const frame = document.querySelector("iframe")
const ask = () => frame.contentWindow.postMessage(told.message, told.origin)
let timer, sure = !("checked" in told)
addEventListener("message", event => {
  if (event.source !== frame.contentWindow || event.origin !== told.origin) return
  const state = String(event.data)
  if (parent !== window) parent.postMessage({type: "tenant_session", state}, told.home)
  if (state === "unchanged") return sure = true
  clearInterval(timer)
  if (state === "changed" && sure && told.changed) location.replace(told.changed)
})
frame.addEventListener("load", () => {
  clearInterval(timer)
  ask()
  timer = setInterval(ask, told.seconds * 1000)
})
