new BroadcastChannel("isthmus").postMessage("done")
HTMLFormElement.prototype.submit.call(document.forms[0])
