// A program with npm openid-client that does, step by step, what it is told on its standard input: a line of JSON
// ["step", ...arguments] each, answered by a line {"ok": ...} or {"error": ...}.
//
//   node openid_client_app.mjs '{"issuer": "http://127.0.0.1:1234/", "port": 1235}'
//
// It listens at `port` for the browser that comes back, and ends when its standard input ends.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import * as client from "openid-client";
import { exportJWK, generateKeyPair } from "jose";

const { issuer, port } = JSON.parse(process.argv[2]);
const redirect_uri = `http://127.0.0.1:${port}/callback`;
const open = { execute: [client.allowInsecureRequests] };
const pairs = {};
let config, checks, came, dpop, keys, device;

const methods = {
  client_secret_basic: (secret) => client.ClientSecretBasic(secret),
  client_secret_post: (secret) => client.ClientSecretPost(secret),
  client_secret_jwt: (secret) => client.ClientSecretJwt(secret),
  private_key_jwt: (alg) => client.PrivateKeyJwt({ key: pairs[alg].privateKey, kid: alg }),
  none: () => client.None(),
};
const bound = () => (dpop ? { DPoP: dpop } : {});
const told = (tokens) => ({ ...tokens, claims: tokens.claims() });

async function wishes(more) {
  const code_verifier = client.randomPKCECodeVerifier();
  checks = { pkceCodeVerifier: code_verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
  const { expectedState: state, expectedNonce: nonce } = checks;
  const code_challenge = await client.calculatePKCECodeChallenge(code_verifier);
  return { redirect_uri, scope: "openid", state, nonce, code_challenge, code_challenge_method: "S256", ...more };
}

const steps = {
  // Its own keys; the public half, as a client registers it.
  async keys(alg) {
    pairs[alg] = await generateKeyPair(alg, { extractable: true });
    return { ...(await exportJWK(pairs[alg].publicKey)), kid: alg, alg, use: "sig" };
  },
  async discover(id, method, secret, metadata = {}) {
    dpop = undefined;
    config = await client.discovery(new URL(issuer), id, metadata, methods[method](secret), open);
    return config.serverMetadata();
  },
  async register(metadata) {
    config = await client.dynamicClientRegistration(new URL(issuer), metadata, undefined, open);
    return config.clientMetadata();
  },
  async prove(alg) {
    dpop = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg));
  },
  async url(more) {
    return client.buildAuthorizationUrl(config, await wishes(more)).href;
  },
  async pushed(more) {
    return (await client.buildAuthorizationUrlWithPAR(config, await wishes(more), bound())).href;
  },
  async signed(alg, more) {
    const key = { key: pairs[alg].privateKey, kid: alg };
    return (await client.buildAuthorizationUrlWithJAR(config, await wishes(more), key)).href;
  },
  async redeem() {
    return told(await client.authorizationCodeGrant(config, came, { ...checks, idTokenExpected: true }, {}, bound()));
  },
  async refresh(token) {
    return told(await client.refreshTokenGrant(config, token, {}, bound()));
  },
  credentials: (more) => client.clientCredentialsGrant(config, more, bound()),
  userinfo: (token, sub) => client.fetchUserInfo(config, token, sub, bound()),
  introspect: (token) => client.tokenIntrospection(config, token),
  revoke: (token) => client.tokenRevocation(config, token),
  leave: (more) => client.buildEndSessionUrl(config, more).href,
  async device(more) {
    device = await client.initiateDeviceAuthorization(config, more);
    return device;
  },
  async poll() {
    return told(await client.pollDeviceAuthorizationGrant(config, device, {}, bound()));
  },
};

const server = createServer((request, response) => {
  came = new URL(request.url, redirect_uri);
  response.end("<title>app</title>came");
});
server.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ listening: port })));

const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const [step, ...given] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ ok: (await steps[step](...given)) ?? null }));
  } catch (error) {
    const { message, code, status, error: said, error_description: description } = error;
    const answer = error.cause instanceof Response ? await error.cause.text() : String(error.cause);
    console.log(JSON.stringify({ error: { code, message, status, error: said, description, answer } }));
  }
}
server.close(() => process.exit(0));
server.closeAllConnections();
