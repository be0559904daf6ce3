// In-memory storage for oidc-provider with an optional grace window for replaced refresh tokens:
// for `grace` seconds after its first use such a token may be used again, and each use brings a
// sibling. Later, and at once without grace, the provider sees that it was consumed and revokes the
// grant with everything that came of it.

const now = () => Math.floor(Date.now() / 1000);

export function memoryAdapter({ grace, onReuse, onSpent }) {
  const entries = new Map(); // "Model:id" -> { payload, expires }
  const grants = new Map(); // grant id -> keys of entries
  const userCodes = new Map();
  const sessions = new Map();

  class Adapter {
    constructor(model) {
      this.model = model;
    }

    key(id) {
      return `${this.model}:${id}`;
    }

    async upsert(id, payload, expiresIn) {
      const key = this.key(id);
      const expires = expiresIn ? now() + expiresIn : Infinity;
      entries.set(key, { payload: { ...payload }, expires });
      if (payload.grantId) {
        if (!grants.has(payload.grantId)) grants.set(payload.grantId, new Set());
        grants.get(payload.grantId).add(key);
      }
      if (payload.userCode) userCodes.set(payload.userCode, id);
      if (this.model === 'Session') sessions.set(payload.uid, id);
    }

    async find(id) {
      const entry = entries.get(this.key(id));
      if (!entry || entry.expires <= now()) return undefined;
      const payload = { ...entry.payload };
      if (this.model === 'RefreshToken' && payload.consumed) {
        if (now() - payload.consumed < grace) delete payload.consumed;
        else onReuse();
      }
      if (['AuthorizationCode', 'DeviceCode'].includes(this.model) && payload.consumed) onSpent();
      return payload;
    }

    async findByUid(uid) {
      return this.find(sessions.get(uid));
    }

    async findByUserCode(userCode) {
      return this.find(userCodes.get(userCode));
    }

    async consume(id) {
      const entry = entries.get(this.key(id));
      // the window counts from the first use
      if (entry) entry.payload.consumed ??= now();
    }

    async destroy(id) {
      entries.delete(this.key(id));
    }

    async revokeByGrantId(grantId) {
      for (const key of grants.get(grantId) ?? []) entries.delete(key);
      grants.delete(grantId);
    }
  }

  /** How many refresh tokens would work. */
  function refreshTokensAlive() {
    const alive = ([key, { payload, expires }]) =>
      key.startsWith('RefreshToken:') && !payload.consumed && expires > now();
    return [...entries].filter(alive).length;
  }
  return { adapter: (model) => new Adapter(model), refreshTokensAlive };
}
