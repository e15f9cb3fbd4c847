// A shop in Node, with nothing but its standard library, that charges each order once whatever breaks.
//
//   an order     what was agreed: a price, and where it stands (PENDING, PAID, FAILED)
//   an attempt   one try to pay it with one nonce: its key and the exact body, durable before the first call
//   a parcel     owed from the moment the order is PAID, handed over once
//
// Silence is no failure. While an attempt's outcome is unknown it stays open: nobody may begin another one, and it is asked
// for again under its own key, until the answer, a webhook or a look at the gateway tells.
import crypto from 'node:crypto';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Books } from './books.mjs';

const { PORT = '3000', GATEWAY_URL, GATEWAY_SECRET_KEY, WEBHOOK_SECRETS = '', BOOKS = 'books.jsonl' } = process.env;
const GATEWAY_TIMEOUT_MS = Number(process.env.GATEWAY_TIMEOUT_MS ?? 10_000);
const RETRY_BASE_MS = Number(process.env.RETRY_BASE_MS ?? 500);
const RETRY_CAP_MS = Number(process.env.RETRY_CAP_MS ?? 8_000);
const RECONCILE_EVERY_MS = Number(process.env.RECONCILE_EVERY_MS ?? 30_000);
const TRIES = 3; // while a customer waits; reconciliation has the patience
const TOLERANCE_S = 300;
const BODY_MAX = 256 * 1024;

const books = new Books(BOOKS, ['orders', 'attempts', 'events', 'parcels']);
const log = (...words) => console.log(new Date().toISOString(), ...words); // ids and codes, never a payload
const newId = (prefix) => `${prefix}_${crypto.randomUUID()}`;
const attemptsOf = (order) => [...books.attempts.values()].filter((attempt) => attempt.order_id === order.id);
const isOpen = (id) => books.attempts.get(id).state === 'open';

// ---- Paying -----------------------------------------------------------------------------------------------------------

/** The attempt a click is about: the one that is open, whoever opened it, or a new one. No await in here. */
function begin(order, nonce) {
  const attempts = attemptsOf(order);
  const known = attempts.find((each) => each.state === 'open' || each.nonce === nonce);
  if (known || order.status === 'PAID') return { attempt: known, isNew: false };
  const id = newId('att');
  const { amount, currency } = order; // the shop's price, whatever the browser says
  const body = JSON.stringify({ amount, currency, payment_nonce: nonce, order_id: order.id, metadata: { attempt: id } });
  const attempt = { id, order_id: order.id, nonce, key: newId('key'), body, state: 'open', charge_id: null };
  books.commit(['attempts', attempt], ['orders', { ...order, status: 'PENDING' }]);
  return { attempt, isNew: true };
}

const flights = new Map(); // attempt → the one flight that finds out; whoever asks meanwhile waits for the same one
const pauses = new Map(); // attempt → {tries, until}: forgotten in a restart, which costs one early call

/** Find out how an open attempt ended, within bounds: it may still be open afterwards. */
function settle(id, isNew = false) {
  if (!flights.has(id)) flights.set(id, fly(id, isNew).finally(() => flights.delete(id)));
  return flights.get(id);
}

async function fly(id, isNew) {
  for (let round = 0; round < TRIES && isOpen(id); round += 1) {
    const wait = (pauses.get(id)?.until ?? 0) - Date.now();
    if (wait > RETRY_CAP_MS * 1.25) return;
    if (wait > 0) await sleep(wait);
    if (!isOpen(id)) break; // a webhook told
    const attempt = books.attempts.get(id);
    // taken up again later, as after a crash: look first, since the gateway forgets keys after a day
    const looksFirst = attempt.charge_id !== null || (round === 0 && !isNew);
    let answer = looksFirst ? await find(attempt) : null;
    if (answer === null || (answer.verdict === 'none' && attempt.charge_id === null)) {
      answer = await call('POST', '/v1/charges', attempt.body, attempt.key);
      // refused may mean that an earlier call of ours used the nonce up: only what the gateway shows tells
      if (answer.verdict === 'refused') answer = refusedFor(answer, await find(attempt));
    }
    if (answer.charge) applyCharge(answer.charge);
    else if (answer.verdict === 'declined' || answer.verdict === 'refused') applyFailure(id, answer.code);
    if (isOpen(id)) backOff(id, answer);
  }
  if (!isOpen(id)) pauses.delete(id);
}

const refusedFor = (refusal, found) => (found.verdict === 'none' ? refusal : found);

/** Pauses double, to a cap, with some chance in them so that shops do not return all at once. */
function backOff(id, { retryAfterMs = 0 }) {
  const tries = (pauses.get(id)?.tries ?? 0) + 1;
  const pause = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(tries - 1, 20)) * (1 + Math.random() / 4);
  pauses.set(id, { tries, until: Date.now() + Math.max(pause, retryAfterMs) });
}

// ---- The gateway ------------------------------------------------------------------------------------------------------

const SAYS_NOTHING = new Set([401, 403, 408, 409, 425, 429]); // of our key, our pace, a twin still at work: not of the attempt

/** One call, and what it means: a charge, `declined`, `refused`, or `unknown`. Never throws for what the network does. */
async function call(method, path, body, key) {
  const headers = { authorization: `Bearer ${GATEWAY_SECRET_KEY}` };
  if (body) headers['content-type'] = 'application/json';
  if (key) headers['idempotency-key'] = key;
  try {
    const signal = AbortSignal.timeout(GATEWAY_TIMEOUT_MS);
    const response = await fetch(GATEWAY_URL + path, { method, headers, body, signal, redirect: 'manual' });
    const retryAfterMs = 1000 * (Number(response.headers.get('retry-after')) || 0);
    return { ...read(response.status, await response.json()), retryAfterMs };
  } catch (error) {
    log('no usable answer to', method, path.split('?')[0], error.name);
    return { verdict: 'unknown' }; // refused, reset, timed out, cut off, unreadable: it may have happened or not
  }
}

function read(status, body) {
  if (status >= 500 || SAYS_NOTHING.has(status) || body === null || typeof body !== 'object') return { verdict: 'unknown' };
  if (status === 200 || status === 201) return isCharge(body) ? { charge: body } : { verdict: 'unknown', body };
  if (status === 402 && body.code === 'card_declined') return { verdict: 'declined', code: body.decline_code };
  return typeof body.code === 'string' ? { verdict: 'refused', code: body.code } : { verdict: 'unknown' };
}

const isCharge = (body) => body.object === 'charge' && typeof body.id === 'string' && typeof body.status === 'string';

/** What the gateway shows of an attempt: its charge, `none` when there surely is none, else `unknown`. */
async function find(attempt) {
  let after = '';
  for (;;) {
    const answer = await call('GET', `/v1/charges?order_id=${attempt.order_id}&limit=100${after}`);
    const page = answer.body?.data;
    if (!Array.isArray(page)) return { verdict: 'unknown', retryAfterMs: answer.retryAfterMs };
    const charge = page.find((each) => each.metadata?.attempt === attempt.id);
    if (charge) return charge.status === 'processing' ? { verdict: 'unknown' } : { charge };
    if (!answer.body.has_more || page.length === 0) return { verdict: 'none' };
    after = `&starting_after=${page.at(-1).id}`;
  }
}

// ---- Outcomes: the same whether an answer, a webhook or a look tells, and as often as they like -------------------------

/** What a charge shows, with more rows to commit in the same transaction. */
function applyCharge(charge, ...rows) {
  const attempt = books.attempts.get(charge.metadata?.attempt);
  const order = attempt && books.orders.get(attempt.order_id);
  if (!attempt) log('charge', charge.id, 'is of no attempt of ours');
  else if (charge.amount !== order.amount || charge.currency !== order.currency) log('charge', charge.id, 'is not what we asked for');
  else if (charge.status === 'succeeded' && attempt.state !== 'succeeded') {
    rows.push(['attempts', { ...attempt, state: 'succeeded', charge_id: charge.id }]);
    if (order.status === 'PAID') log('charge', charge.id, 'paid for', order.id, 'once more: have somebody look at it');
    // the parcel is owed from the commit that makes the order paid
    else rows.push(['orders', { ...order, status: 'PAID' }], ['parcels', { id: order.id, state: 'owed' }]);
  } else if (charge.status === 'failed') return applyFailure(attempt.id, charge.decline_code, ...rows);
  else if (attempt.state === 'open') rows.push(['attempts', { ...attempt, charge_id: charge.id }]); // still being decided: ask by it
  if (rows.length) books.commit(...rows);
  handOver();
}

/** A failure closes the attempt it is about, if that is open, and touches nothing else. */
function applyFailure(id, code, ...rows) {
  const attempt = books.attempts.get(id);
  if (attempt.state === 'open') {
    rows.push(['attempts', { ...attempt, state: 'failed', code }]);
    rows.push(['orders', { ...books.orders.get(attempt.order_id), status: 'FAILED' }]);
  }
  if (rows.length) books.commit(...rows);
}

/** Hands over what is owed. A warehouse behind an API would get the order's id as its idempotency key. */
function handOver() {
  for (const parcel of books.parcels.values()) {
    if (parcel.state === 'owed') books.commit(['parcels', { ...parcel, state: 'sent', at: new Date().toISOString() }]);
  }
}

/** Asks about everything that is open. This is what makes a crash harmless, and a webhook a convenience. */
async function reconcile() {
  for (;;) {
    const open = [...books.attempts.keys()].filter(isOpen);
    await Promise.all(open.map((id) => settle(id).catch((error) => log('reconciling', id, 'failed:', error.code ?? error.name))));
    await sleep(RECONCILE_EVERY_MS);
  }
}

// ---- Webhooks (standardwebhooks.com) ----------------------------------------------------------------------------------

const SECRETS = WEBHOOK_SECRETS.split(/\s+/).filter(Boolean); // two of them while one is being rotated

/** Whether the raw bytes were signed by the gateway, and just now. */
function isGenuine(headers, raw) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': given } = headers;
  if (!id || !given || !/^\d{1,15}$/.test(timestamp ?? '')) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return false;
  return SECRETS.some((secret) => {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    const ours = crypto.createHmac('sha256', key).update(`${id}.${timestamp}.`).update(raw).digest();
    return given.split(' ').some((one) => {
      const theirs = Buffer.from(one.replace(/^v1,/, ''), 'base64');
      return theirs.length === ours.length && crypto.timingSafeEqual(theirs, ours);
    });
  });
}

function takeWebhook(request) {
  if (!isGenuine(request.headers, request.raw)) return [401, { error: 'not signed by the gateway, or not just now' }];
  const event = parse(request.raw);
  const id = request.headers['webhook-id'];
  if (books.events.has(id)) return [200, {}]; // seen before; say so, or it keeps coming
  const seen = ['events', { id }]; // in the same line as what the event changes
  if (typeof event.type === 'string' && event.type.startsWith('charge.') && isCharge(event.data ?? {})) applyCharge(event.data, seen);
  else books.commit(seen); // genuine, and nothing for us
  return [200, {}];
}

// ---- HTTP -------------------------------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const shown = (order) => ({ ...order, fulfilments: books.parcels.get(order.id)?.state === 'sent' ? 1 : 0 });

function orderOf(id) {
  const order = books.orders.get(id);
  if (!order) throw new Refused(404, 'no such order');
  return order;
}

function placeOrder({ raw }) {
  const { amount, currency } = parse(raw); // the cart of this small shop is its price
  if (!Number.isInteger(amount) || amount < 1 || amount > 99_999_999) throw new Refused(422, 'amount: an integer in minor units');
  if (!/^[a-z]{3}$/.test(currency)) throw new Refused(422, 'currency: three lower-case letters');
  const order = { id: newId('ord'), amount, currency, status: 'PENDING' };
  books.commit(['orders', order]);
  return [201, shown(order)];
}

async function pay({ raw }) {
  const { order_id: id, payment_nonce: nonce } = parse(raw);
  // a page wired wrongly sends a card number: it must not come to rest here
  if (typeof nonce !== 'string' || !nonce.startsWith('nonce_')) throw new Refused(422, 'payment_nonce: what the card form got from the gateway');
  const { attempt, isNew } = begin(orderOf(id), nonce);
  if (attempt) await settle(attempt.id, isNew);
  const order = orderOf(id);
  return [{ PAID: 200, FAILED: 402, PENDING: 202 }[order.status], shown(order)];
}

function parse(raw) {
  try {
    const body = JSON.parse(raw);
    if (body !== null && typeof body === 'object') return body;
  } catch {
    // told below
  }
  throw new Refused(400, 'the body must be a JSON object');
}

const ROUTES = [
  ['GET', /^\/healthz$/, () => [200, { status: 'ok' }]],
  ['POST', /^\/orders$/, placeOrder],
  ['GET', /^\/orders\/([^/]+)$/, (_, id) => [200, shown(orderOf(id))]],
  ['POST', /^\/pay$/, pay],
  ['POST', /^\/webhooks$/, takeWebhook],
];

async function answer(request) {
  const [pathname] = request.url.split('?');
  const routes = ROUTES.filter(([, pattern]) => pattern.test(pathname));
  if (!routes.length) throw new Refused(404, 'nothing here');
  const route = routes.find(([method]) => method === request.method);
  if (!route) throw new Refused(405, `only ${routes.map(([method]) => method).join(', ')} here`);
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_MAX) throw new Refused(413, 'the body is too large');
    chunks.push(chunk);
  }
  request.raw = Buffer.concat(chunks);
  return route[2](request, ...route[1].exec(pathname).slice(1));
}

const server = http.createServer(async (request, response) => {
  let status, body;
  try {
    [status, body] = await answer(request);
  } catch (error) {
    [status, body] = [error.status ?? 500, { error: error.status ? error.message : 'the shop failed; try again' }];
    if (!error.status) log('a request failed:', error.stack);
  }
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
});

handOver(); // what a crash left owing
reconcile();
server.listen(Number(PORT), '127.0.0.1', () => log('listening on port', PORT));
