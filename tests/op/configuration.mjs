// What the provider offers: the code flow with PKCE, rotation with reuse detection, revocation,
// introspection, PAR, DPoP, the device flow, resource indicators, and clients known by certificates, which a
// server in front of it has checked and passes on.
import crypto from 'node:crypto';
import fs from 'node:fs';
import { errors } from 'oidc-provider';

import { TOKEN_EXCHANGE } from './exchange.mjs';

const DAY = 86400;
const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code';

export function configuration({ adapter, accessTtl, clientSecret, clientKey, documents }) {
  return {
    adapter,
    // what a test has published stands for the web
    fetch: async (url) => {
      const document = documents.get(String(url));
      if (!document) return new Response('no such page', { status: 404 });
      return new Response(JSON.stringify(document), { headers: { 'content-type': 'application/json' } });
    },
    clients: clients(clientSecret, clientKey),
    scopes: ['openid', 'offline_access', 'email', 'profile', 'api:read', 'api:write'],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, name: id, email: `${id}@example.test`, email_verified: true }),
    }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: [crypto.randomBytes(32).toString('hex')] },
    jwks: { keys: [key('rsa', 'RS256', { modulusLength: 2048 }), key('ec', 'ES256', { namedCurve: 'P-256' })] },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt',
      'tls_client_auth', 'self_signed_tls_client_auth'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: accessTtl,
      AuthorizationCode: 60,
      ClientCredentials: accessTtl,
      DeviceCode: 600,
      Grant: 14 * DAY,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 14 * DAY,
      Session: DAY,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      clientIdMetadataDocument: { enabled: true, ack: 'draft-02' },
      deviceFlow: { enabled: true, ...pages },
      // one client has to put a nonce of the server's into each proof, and so has everybody at the user's page
      dPoP: {
        enabled: true,
        nonceSecret: crypto.randomBytes(32),
        requireNonce: (ctx) => ctx.path === '/me' || ctx.oidc.client?.clientId === 'native-dpop',
      },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => shown(ctx)?.toString(),
        certificateAuthorized: (ctx) => shown(ctx)?.issuer === 'CN=ostler test authority',
        certificateSubjectMatches: (ctx, _property, expected) => shown(ctx)?.subject === expected,
      },
      introspection: { enabled: true, allowedPolicy: () => true },
      pushedAuthorizationRequests: { enabled: true },
      resourceIndicators: { enabled: true, ...resources(accessTtl) },
      registration: { enabled: true, initialAccessToken: false },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      revocation: { enabled: true },
    },
  };
}

// the default pages announce themselves on standard output, which nobody reads any more by then
const pages = {
  userCodeInputSource(ctx, form, _out, error) { ctx.body = `<h1>${error ? 'No such code' : 'Code'}</h1>${form}`; },
  userCodeConfirmSource(ctx, form, _client, _device, code) { ctx.body = `<h1>${code}</h1>${form}`; },
  successSource(ctx) { ctx.body = '<h1>Sign-in Success</h1>'; },
};

/** The certificate that the client has shown to the server in front. */
function shown(ctx) {
  const text = ctx.get('x-client-certificate');
  return text ? new crypto.X509Certificate(Buffer.from(text, 'base64')) : undefined;
}

/** The key set of a client that signs its own certificate (RFC 8705, 2.2.2). */
function selfSigned() {
  const pem = fs.readFileSync(new URL('../../src/oauth/tests/certificates/stranger.pem', import.meta.url));
  const certificate = new crypto.X509Certificate(pem);
  return { keys: [{ ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] }] };
}

function clients(client_secret, clientKey) {
  const grant_types = ['authorization_code', 'refresh_token'];
  const native = {
    application_type: 'native',
    token_endpoint_auth_method: 'none',
    redirect_uris: ['http://127.0.0.1/', 'http://127.0.0.1/cb', 'http://[::1]/cb', 'http://127.0.0.1/callback', 'dev.ostler:/callback'],
    grant_types,
  };
  const service = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'], scope: 'api:read' };
  const web = { client_secret, redirect_uris: ['https://app.example.test/cb'], grant_types };
  return [
    { ...native, client_id: 'native', grant_types: [...grant_types, DEVICE_CODE] },
    { ...native, client_id: 'exchanger', grant_types: [...grant_types, TOKEN_EXCHANGE] },
    { ...native, client_id: 'native-dpop', dpop_bound_access_tokens: true, grant_types: [...grant_types, DEVICE_CODE] },
    {
      ...native,
      client_id: 'certified',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: 'CN=ostler test client',
      tls_client_certificate_bound_access_tokens: true,
    },
    {
      ...native,
      client_id: 'self-signed',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: selfSigned(),
      tls_client_certificate_bound_access_tokens: true,
    },
    { ...native, client_id: 'native-par', require_pushed_authorization_requests: true },
    { ...web, client_id: 'confidential', token_endpoint_auth_method: 'client_secret_basic' },
    { ...web, client_id: 'post', token_endpoint_auth_method: 'client_secret_post' },
    { ...service, client_id: 'service', client_secret, token_endpoint_auth_method: 'client_secret_basic' },
    {
      ...service,
      client_id: 'signer',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...clientKey.export({ format: 'jwk' }), alg: 'ES256' }] },
    },
  ];
}

/** RFC 8707: a resource below https://api. gets a JWT of its own. */
function resources(accessTokenTTL) {
  return {
    defaultResource: () => undefined,
    useGrantedResource: () => true,
    getResourceServerInfo: (_ctx, resource) => {
      if (!resource.startsWith('https://api.')) throw new errors.InvalidTarget();
      return {
        scope: 'api:read api:write',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL,
        jwt: { sign: { alg: 'ES256' } },
      };
    },
  };
}

function key(type, alg, options) {
  const { privateKey } = crypto.generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), kid: type, use: 'sig', alg };
}
