// A certified OpenID provider (npm oidc-provider) on loopback for the tests: users sign in and
// consent by themselves (but for mallory, who says no), and the token endpoint fails on order. All
// state is in memory.
//
// Environment: PORT (0: any free one), ACCESS_TTL, GRACE, SECRET_TTL and DEVICE_INTERVAL in seconds,
// CLIENT_SECRET. It prints "ready ISSUER" when it listens, and ends on SIGTERM.
import crypto from 'node:crypto';
import http from 'node:http';
import Provider from 'oidc-provider';

import { memoryAdapter } from './adapter.mjs';
import { configuration } from './configuration.mjs';
import { exchange } from './exchange.mjs';
import { Faults } from './faults.mjs';

const HOST = '127.0.0.1';
const seconds = (name, absent) => Number(process.env[name] ?? absent);

// the key of the client that signs: the public half is registered, the test fetches the other
const signer = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stats = { token: 0, refresh: 0, reuse: 0, spent: 0, revocations: 0, updates: 0, log: [] };
// whether revocations are answered with trouble
let revokes = true;
const faults = new Faults();
// what is published at addresses of the web, as far as the provider can see
const documents = new Map([
  ['https://client.example.test/keys', { keys: [{ ...signer.publicKey.export({ format: 'jwk' }), alg: 'ES256' }] }],
]);
const server = http.createServer();
let port = seconds('PORT', 0);

// the issuer holds the port, so the provider is made once the port is known
server.once('listening', () => {
  const issuer = `http://${HOST}:${server.address().port}`;
  const storage = memoryAdapter({ grace: seconds('GRACE', 0), onReuse: () => { stats.reuse += 1; }, onSpent: () => { stats.spent += 1; } });
  Object.defineProperty(stats, 'alive', { enumerable: true, get: storage.refreshTokensAlive });
  const provider = new Provider(issuer, configuration({
    adapter: storage.adapter,
    accessTtl: seconds('ACCESS_TTL', 60),
    clientSecret: process.env.CLIENT_SECRET ?? 'not-a-secret',
    clientKey: signer.publicKey,
    documents,
  }));
  provider.on('server_error', (ctx, error) => console.error('server_error', ctx.path, error));
  exchange(provider);
  provider.use(watchTokenEndpoint);
  provider.use(faults.updates());
  provider.use(revocations);
  provider.use(deviceInterval);
  if (process.env.SECRET_TTL) provider.use(secretsThatEnd(storage.adapter('Client')));
  provider.use(faults.middleware('/token'));
  const rest = provider.callback();
  server.on('request', (request, response) => {
    route(provider, rest, issuer, request, response).catch((error) => {
      console.error(error);
      response.statusCode = 500;
      response.end();
    });
  });
  console.log(`ready ${issuer}`);
});
server.listen(port, HOST);
process.on('SIGTERM', () => process.exit(0));
// off the network, and on it again with all that it knows
setInterval(() => {}, 1 << 30); // without a listener node would end
process.on('SIGUSR2', () => {
  if (server.listening) {
    port = server.address().port;
    server.close(() => console.log('down'));
    server.closeAllConnections();
  } else {
    server.listen(port, HOST, () => console.log('up'));
  }
});

/** Answers what is not the provider's own, and leaves the rest to it. */
async function route(provider, rest, issuer, request, response) {
  const { pathname } = new URL(request.url, issuer);
  if (pathname === '/_stats') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(stats));
  } else if (pathname === '/_faults' && request.method === 'POST') {
    response.statusCode = faults.order(await json(request)) ? 204 : 400;
    response.end();
  } else if (pathname === '/_revocations' && request.method === 'POST') {
    ({ revokes } = await json(request));
    response.statusCode = 204;
    response.end();
  } else if (pathname === '/_publish' && request.method === 'POST') {
    const document = await json(request);
    documents.set(document.client_id, document);
    response.statusCode = 204;
    response.end();
  } else if (pathname === '/_key') {
    response.end(signer.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  } else if (pathname === '/_held') {
    await faults.held();
    response.statusCode = 204;
    response.end();
  } else if (pathname === '/_release' && request.method === 'POST') {
    faults.release();
    response.statusCode = 204;
    response.end();
  } else if (pathname.startsWith('/interaction/')) {
    await interact(provider, request, response);
  } else {
    // RFC 8414 metadata is the same document as OpenID Connect Discovery's
    if (pathname === '/.well-known/oauth-authorization-server') {
      request.url = '/.well-known/openid-configuration';
    }
    if (request.method === 'PUT') stats.updates += 1; // of registrations
    rest(request, response);
  }
}

/** Signs in whom login_hint names, and consents to all that is asked for; mallory does not. */
async function interact(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (params.login_hint === 'mallory') {
    const refusal = { error: 'access_denied', error_description: 'mallory said no' };
    await provider.interactionFinished(request, response, refusal);
    return;
  }
  if (prompt.name === 'login') {
    const login = { accountId: params.login_hint ?? 'alice' };
    await provider.interactionFinished(request, response, { login });
    return;
  }
  // the session may remember one that was revoked since
  const grant = (grantId && await provider.Grant.find(grantId))
    || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

/**
 * Clients that register themselves get a secret, asked for or not. It ends after SECRET_TTL seconds; an update
 * (RFC 7592) brings another one, which ends in a month.
 */
function secretsThatEnd(clients) {
  return async (ctx, next) => {
    await next();
    const updates = ctx.method === 'PUT' && ctx.path.startsWith('/reg/') && ctx.status === 200;
    if (!updates && !(ctx.method === 'POST' && ctx.path === '/reg' && ctx.status === 201)) return;
    const lifetime = updates ? 30 * 86400 : seconds('SECRET_TTL');
    const altered = {
      token_endpoint_auth_method: 'client_secret_basic',
      client_secret: crypto.randomBytes(24).toString('base64url'),
      client_secret_expires_at: Math.floor(Date.now() / 1000) + lifetime,
    };
    const id = ctx.body.client_id;
    await clients.upsert(id, { ...(await clients.find(id)), ...altered });
    Object.assign(ctx.body, altered);
  };
}

/** Counts the token requests that reached the provider. */
async function watchTokenEndpoint(ctx, next) {
  await next();
  const grant = ctx.path === '/token' ? ctx.oidc?.params?.grant_type : undefined;
  if (!grant) return;
  stats.token += 1;
  if (grant === 'refresh_token') stats.refresh += 1;
  const client = ctx.oidc.client?.clientId;
  stats.log.push({ at: Date.now(), grant, client, status: ctx.status, error: ctx.body?.error });
}

/** Has devices ask as often as DEVICE_INTERVAL says (RFC 8628, 3.2). */
async function deviceInterval(ctx, next) {
  await next();
  const interval = process.env.DEVICE_INTERVAL;
  if (interval && ctx.path === '/device/auth' && ctx.status === 200) ctx.body.interval = Number(interval);
}

/** Counts what is revoked, and revokes nothing while it is told not to. */
async function revocations(ctx, next) {
  if (ctx.path !== '/token/revocation') return next();
  if (!revokes) {
    ctx.status = 503;
    return undefined;
  }
  await next();
  stats.revocations += 1;
  return undefined;
}

async function json(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}
