const link = document.querySelector("[data-visit]")
const name = `isthmus-${link.dataset.visit}`
const hash = sessionStorage.getItem(name) || ""
sessionStorage.removeItem(name)
new BroadcastChannel("isthmus").postMessage("done")
location.replace(link.href + hash)
