// An upstream tenant written by somebody else: npm oidc-provider, with its own login and consent pages.
//
//   node provider.mjs '{"issuer": "http://localhost:1234", "port": 1234, "clients": [...], "people": {...}}'
//
// Prints one line of JSON once it listens, and ends when its standard input ends: no orphan, however the test ends.

import Provider from "oidc-provider";

const { issuer, port, clients, people, scopes } = JSON.parse(process.argv[2]);

const provider = new Provider(issuer, {
  clients,
  claims: scopes,
  conformIdTokenClaims: false, // claims of the scopes go into the ID token, as most tenants do it
  responseTypes: ["code", "id_token"],
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  pkce: { required: () => false },
  cookies: { keys: ["a key for the cookies of the tenant in the tests"] },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
});

provider.on("server_error", (_, error) => console.error(error));

const server = provider.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ listening: port })));
process.stdin.resume();
process.stdin.on("end", () => server.close(() => process.exit(0)) && server.closeAllConnections());
