// A web application with express-openid-connect, as its makers' examples show it.
//
//   node express_app.mjs '{"port": 1234, "auth": {...}, "backchannelLogout": false}'
//
// Prints one line of JSON once it listens, and ends when its standard input ends.

import express from "express";
import oidc from "express-openid-connect";

const { port, auth, backchannelLogout } = JSON.parse(process.argv[2]);

class Memory {
  // What express-session calls a store; sessions live in this process.
  kept = new Map();
  get(id, done) { done(null, this.kept.get(id)); }
  set(id, session, done) { this.kept.set(id, session); done?.(null); }
  destroy(id, done) { this.kept.delete(id); done?.(null); }
}

const kept = backchannelLogout ? { session: { store: new Memory() }, backchannelLogout: true } : {};
const app = express();
app.use(oidc.auth({ ...auth, ...kept }));

app.get("/", (request, response) => {
  const { oidc: here } = request;
  // No request for an icon: its answer, on the way during a logout, would bring the application's cookie back.
  response.send(`<title>app</title><link rel="icon" href="data:,"><p>${here.isAuthenticated() ? `hello ${here.user.sub}` : "nobody is here"}</p>`);
});
app.get("/me", oidc.requiresAuth(), async (request, response) => {
  const { oidc: here } = request;
  const { accessToken } = here;
  response.json({
    claims: here.idTokenClaims,
    token: accessToken && { type: accessToken.token_type, expires: accessToken.expires_in },
    refreshed: request.query.refresh ? (await accessToken.refresh()).access_token !== accessToken.access_token : null,
    userinfo: accessToken ? await here.fetchUserInfo() : null,
  });
});
app.use((error, request, response, next) => {
  response.status(error.statusCode ?? 500).json({ error: error.error, message: error.message });
});

const server = app.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ listening: port })));
process.stdin.resume();
process.stdin.on("end", () => server.close(() => process.exit(0)) && server.closeAllConnections());
