// The storefront's script: asks the gateway's iframe for a nonce, and pays the order with it.
// A click that has no outcome yet is never turned into a second payment: the order is kept, and asked about.
"use strict";

const gateway = document.body.dataset.gatewayUrl;
const gatewayOrigin = new URL(gateway).origin;
const form = document.getElementById("shop");
const goods = document.getElementById("goods");
const card = document.getElementById("card-fields");
const button = document.getElementById("pay");
const outcome = document.getElementById("outcome");
const paymentMade = ["AUTHORIZED", "PARTIALLY_PAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED"];
const poll_ms = 1000;
const fields_ms = 10000;
let frame = null;
let order = null;

const say = (text) => { outcome.textContent = text; };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body ? JSON.stringify(body) : undefined,
  });
  return { status: response.status, body: await response.json() };
}

// A client token is good for one card, so each try at paying gets fresh fields. The old ones go at once: what a
// customer typed into fields that are about to be replaced would be lost.
function dropFields() {
  button.disabled = true;
  if (frame) frame.remove();
  frame = null;
}

async function freshFields() {
  dropFields();
  try {
    const answer = await call("GET", "/client-token");
    if (answer.status !== 200) throw new Error(answer.body.error.message);
    const query = new URLSearchParams({
      client_token: answer.body.client_token,
      parent_origin: window.location.origin,
    });
    frame = document.createElement("iframe");
    frame.id = "card";
    frame.title = "Card fields of the payment gateway";
    frame.src = gateway + "/hosted/card-fields?" + query;
    card.append(frame);
    const waited = frame;
    setTimeout(() => { if (frame === waited && !waited.dataset.ready) tryFieldsAgain(); }, fields_ms);
  } catch {
    tryFieldsAgain();
  }
}

function tryFieldsAgain() {
  dropFields();
  say("The card fields cannot be loaded just now. We will try again.");
  setTimeout(freshFields, 2 * poll_ms);
}

async function placeOrder() {
  if (order) return;
  const items = [...goods.querySelectorAll("input")]
    .map((input) => ({ sku: input.name, quantity: Number(input.value) }))
    .filter((item) => item.quantity > 0);
  if (!items.length) throw new Error("Choose something first.");
  const answer = await call("POST", "/orders", { items });
  if (answer.status !== 201) throw new Error(answer.body.error.message);
  order = answer.body;
  goods.disabled = true;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (button.disabled) return;
  button.disabled = true;
  try {
    await placeOrder();
    say("Checking the card…");
    frame.contentWindow.postMessage({ target: "gatecrash", action: "submit" }, gatewayOrigin);
  } catch (error) {
    say(error.message);
    button.disabled = false;
  }
});

window.addEventListener("message", async (event) => {
  // Anybody may post messages to this window: only the gateway's own frame is listened to.
  if (event.origin !== gatewayOrigin || !frame || event.source !== frame.contentWindow) return;
  if (!event.data || event.data.source !== "gatecrash") return;
  if (event.data.ready) {
    frame.dataset.ready = "yes";
    button.disabled = false;
  } else if (!order) {
    return;
  } else if (event.data.error) {
    say(event.data.error.detail || "The card was not accepted. Check it and try again.");
    button.disabled = false;
    if (String(event.data.error.code).startsWith("client_token")) await freshFields();
  } else if (typeof event.data.nonce === "string") {
    await pay(event.data.nonce);
  }
});

async function pay(nonce) {
  dropFields();
  say("Paying…");
  let answer;
  try {
    answer = await call("POST", "/create-payment", { order_id: order.id, payment_nonce: nonce });
  } catch {
    answer = { status: 202 }; // the shop did not answer; it may have heard us all the same
  }
  if (answer.status === 200) return paid();
  if (answer.status === 202 || answer.status >= 500) return untilKnown();
  say(answer.body.error.message + " Nothing was charged.");
  await freshFields();
}

async function untilKnown() {
  say("We do not know yet whether the payment went through. Please wait, and do not pay again.");
  for (;;) {
    await pause(poll_ms);
    const answer = await call("GET", "/orders/" + order.id).catch(() => null);
    if (answer && answer.status === 404) return say("There is no such order.");
    if (!answer || answer.status !== 200) continue; // no news is neither good nor bad
    const { status, attempts } = answer.body;
    if (paymentMade.includes(status)) return paid();
    if (status === "CANCELLED") return say("This order was cancelled. Nothing was charged.");
    if (!attempts.some((each) => each.status === "open")) {
      say("The payment did not go through. Nothing was charged; you can try another card.");
      return freshFields();
    }
  }
}

// Back from a page of the bank or the gateway: what became of the payment, the shop says, not the address.
function comesBack() {
  const orderId = new URLSearchParams(window.location.search).get("order_id");
  if (!orderId) return freshFields();
  order = { id: orderId };
  goods.disabled = true;
  return untilKnown();
}

function paid() {
  say("Paid. Thank you! Your order is " + order.id + ".");
  form.hidden = true;
}

comesBack();
