// What the token endpoint does wrong, on order: each fault once, in the order of the orders.

/** The request is swallowed: the provider never sees it. */
const BEFORE = {
  reset_before: hangUp,
  // until the test lets go, or the client does
  hang: async (ctx, faults) => {
    await faults.hold();
    hangUp(ctx);
  },
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
  // the answer comes when the test lets it go
  hold: (_ctx, faults) => faults.hold(),
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

/** The provider has updated a registration (RFC 7592, 2.2), and the answer comes when the test lets it go. */
const UPDATE = 'hold_update';

export class Faults {
  #orders = [];
  #held = []; // lets each request go on that is held
  #watchers = []; // those who wait until one is

  /** Takes an order `{"fault": NAME}`; says whether there is such a fault. */
  order({ fault }) {
    const known = fault in BEFORE || fault in AFTER || fault === UPDATE;
    if (known) this.#orders.push(fault);
    return known;
  }

  /** Executes the orders at an endpoint. */
  middleware(path) {
    return async (ctx, next) => {
      if (ctx.path !== path) return next();
      if (this.#orders[0] in BEFORE) return BEFORE[this.#orders.shift()](ctx, this);
      await next();
      if (ctx.status === 200 && this.#orders[0] in AFTER) await AFTER[this.#orders.shift()](ctx, this);
      return undefined;
    };
  }

  /** The same for registrations. */
  updates() {
    return async (ctx, next) => {
      await next();
      const updates = ctx.method === 'PUT' && ctx.path.startsWith('/reg/') && ctx.status === 200;
      if (!updates || this.#orders[0] !== UPDATE) return;
      this.#orders.shift();
      await this.hold();
    };
  }

  /** Resolves when the test lets the request go on. */
  hold() {
    for (const tell of this.#watchers.splice(0)) tell();
    return new Promise((resolve) => { this.#held.push(resolve); });
  }

  /** Resolves once a request is held. */
  async held() {
    if (this.#held.length === 0) await new Promise((resolve) => { this.#watchers.push(resolve); });
  }

  /** Lets all go on that are held. */
  release() {
    for (const go of this.#held.splice(0)) go();
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
