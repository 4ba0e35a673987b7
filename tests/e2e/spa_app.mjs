// An application in the browser as its makers write one with @auth0/auth0-spa-js: it takes the answer of a login from
// its own address, says on its page who is here, and leaves its client to the buttons of the page (here: the test).

const options = await (await fetch("/options.json")).json();
const here = new URLSearchParams(location.search);

window.client = await auth0.createAuth0Client(options);
if (here.has("state") && (here.has("code") || here.has("error"))) {
  try {
    window.came = await client.handleRedirectCallback();
  } catch (error) {
    window.refused = { error: error.error, message: error.message, state: error.appState };
  }
  history.replaceState({}, "", "/");
}
const user = await client.getUser();
document.querySelector("p").textContent = user ? `hello ${user.name}` : "nobody is here";
