// What the token endpoint does wrong, on order: each fault once, in the order of the orders.

/** The request is swallowed: the provider never sees it. */
const BEFORE = {
  reset_before: hangUp,
  http_502: (ctx) => answer(ctx, 502, 'html', '<h1>502 Bad Gateway</h1>'),
  http_429: (ctx) => {
    ctx.set('retry-after', '2');
    answer(ctx, 429, 'json', { error: 'rate_limited' });
  },
  captive_portal: (ctx) => answer(ctx, 200, 'html', '<h1>Welcome to the lobby Wi-Fi</h1>'),
  temporarily_unavailable: (ctx) => answer(ctx, 503, 'json', { error: 'temporarily_unavailable' }),
  // GitHub's and Slack's ways to say that a refresh token is no good
  error_200: (ctx) => answer(ctx, 200, 'json', { error: 'bad_refresh_token', error_description: 'The refresh token passed is incorrect or expired.' }),
  slack: (ctx) => answer(ctx, 200, 'json', { ok: false, error: 'invalid_refresh_token' }),
};

/** The provider has done its work, and the answer goes wrong. */
const AFTER = {
  lost_response: hangUp,
  truncate: (ctx) => {
    const body = JSON.stringify(ctx.body);
    ctx.respond = false;
    ctx.res.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    ctx.res.write(body.slice(0, body.length / 2), () => ctx.req.socket.destroy());
  },
  expires_in_string: (ctx) => { ctx.body.expires_in = String(ctx.body.expires_in); },
  no_expires_in: (ctx) => { delete ctx.body.expires_in; },
  no_token_type: (ctx) => { delete ctx.body.token_type; },
  no_refresh_token: (ctx) => { delete ctx.body.refresh_token; },
  token_type_lower: (ctx) => { ctx.body.token_type = 'bearer'; },
  form: (ctx) => {
    const body = new URLSearchParams(ctx.body).toString();
    answer(ctx, 200, 'application/x-www-form-urlencoded', body);
  },
};

export class Faults {
  #orders = [];

  /** Takes an order `{"fault": NAME}`; says whether there is such a fault. */
  order({ fault }) {
    const known = fault in BEFORE || fault in AFTER;
    if (known) this.#orders.push(fault);
    return known;
  }

  /** Executes the orders at an endpoint. */
  middleware(path) {
    return async (ctx, next) => {
      if (ctx.path !== path) return next();
      if (this.#orders[0] in BEFORE) return BEFORE[this.#orders.shift()](ctx);
      await next();
      if (ctx.status === 200 && this.#orders[0] in AFTER) AFTER[this.#orders.shift()](ctx);
      return undefined;
    };
  }
}

function hangUp(ctx) {
  ctx.respond = false;
  ctx.req.socket.destroy();
}

function answer(ctx, status, type, body) {
  ctx.status = status;
  ctx.type = type;
  ctx.body = body;
}
