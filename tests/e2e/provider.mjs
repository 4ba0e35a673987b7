// An upstream tenant written by somebody else: npm oidc-provider, with its own login, consent and logout pages.
//
//   node provider.mjs '{"issuer": "http://localhost:1234", "port": 1234, "clients": [...], "people": {...}}'
//
// Everything it offers of what Isthmus can do is switched on. "strict", with an issuer, a port and clients of its own,
// is a second one in the same process: it takes pushed requests only, proofs of possession only with its nonce, and
// registrations only with its "token".
//
// Prints one line of JSON once it listens. Each line on its standard input is a request, answered by a line:
// ["rotate"] makes new keys, which sign at once, beside the old ones; ["hits"] tells how often each path was asked.
// It ends when its standard input ends: no orphan, however the test ends.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

console.info = console.warn = () => {}; // its notices: standard output is ours
const { people, scopes, strict, ...usual } = JSON.parse(process.argv[2]);
const KINDS = [["rsa", { modulusLength: 2048 }], ["ec", { namedCurve: "P-256" }], ["ed25519", {}]];
const newKeys = () => KINDS.map((kind) => generateKeyPairSync(...kind).privateKey.export({ format: "jwk" }));
let keys = newKeys();

const configuration = (clients, more) => ({
  clients,
  claims: scopes,
  conformIdTokenClaims: false, // claims of the scopes go into the ID token, as most tenants do it
  jwks: { keys },
  responseTypes: ["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"],
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    requestObjects: { enabled: true },
    jwtUserinfo: { enabled: true },
    ...more,
  },
  pkce: { required: () => false },
  cookies: { keys: ["a key for the cookies of the tenant in the tests"] },
  findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  fetch: (url, { dispatcher, ...options }) => fetch(url, options), // its own guard keeps it from loopback, where we are
});

const nonceSecret = randomBytes(32);
const STRICT = {
  registration: { enabled: true, initialAccessToken: strict?.token },
  pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
  dPoP: { enabled: true, nonceSecret, requireNonce: () => true },
};
const houses = [{ ...usual, more: {} }, ...(strict ? [{ ...strict, more: STRICT }] : [])];
const hits = {};

function open(house) {
  const provider = new Provider(house.issuer, configuration(house.clients, house.more));
  provider.on("server_error", (_, error) => console.error(error));
  provider.on("backchannel.error", (_, error) => console.error(error));
  house.answer = provider.callback();
}

async function serve(house) {
  open(house);
  const server = createServer((request, response) => {
    const path = request.url.split("?")[0];
    hits[path] = (hits[path] ?? 0) + 1;
    house.answer(request, response);
  });
  await new Promise((done) => server.listen(house.port, "127.0.0.1", done));
  return server;
}

const can = {
  hits: () => hits,
  rotate: () => {
    keys = [...newKeys(), ...keys.slice(0, KINDS.length)]; // what it stored, it keeps: all share one memory
    houses.forEach(open);
    return keys.length;
  },
};
const servers = await Promise.all(houses.map(serve));
console.log(JSON.stringify({ listening: usual.port }));
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => console.log(JSON.stringify(can[JSON.parse(line)[0]]())));
lines.on("close", () => {
  servers.forEach((server) => server.close() && server.closeAllConnections());
  process.exit(0);
});
