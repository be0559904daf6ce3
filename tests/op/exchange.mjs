// RFC 8693, as far as it makes less of an access token: oidc-provider leaves that grant to whoever runs it.
import { errors } from 'oidc-provider';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const words = (text) => (text ?? '').split(' ').filter(Boolean);

export function exchange(provider) {
  const parameters = ['subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'resource', 'scope'];
  provider.registerGrantType(TOKEN_EXCHANGE, async (ctx) => {
    const { params, client } = ctx.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN) throw new errors.InvalidRequest('only access tokens are exchanged');
    const subject = params.subject_token && await provider.AccessToken.find(params.subject_token);
    if (!subject || subject.isExpired || subject.clientId !== client.clientId) {
      throw new errors.InvalidRequest('the subject token is not valid');
    }
    const granted = words(subject.scope);
    const wanted = params.scope ? words(params.scope) : granted;
    if (!wanted.every((scope) => granted.includes(scope))) throw new errors.InvalidScope('more than the subject token');
    const { accountId, grantId, sessionUid } = subject;
    const token = new provider.AccessToken({
      accountId, client, grantId, sessionUid, expiresWithSession: false, gty: 'token-exchange', scope: wanted.join(' '),
    });
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: ACCESS_TOKEN,
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope: token.scope,
    };
  }, parameters, ['audience', 'resource']);
}
