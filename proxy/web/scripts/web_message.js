const told = document.querySelector("[data-response]").dataset
const app = window.parent === window ? window.opener : window.parent
if (app) app.postMessage({type: "authorization_response", response: JSON.parse(told.response)}, told.origin)
