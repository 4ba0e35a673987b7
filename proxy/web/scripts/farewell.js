const url = document.querySelector("[data-url]").dataset.url
const go = () => url && location.replace(url)
addEventListener("load", go)
setTimeout(go, 4000)
