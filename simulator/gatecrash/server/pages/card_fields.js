// Takes a card inside the merchant's page, sends it to the gateway alone, and hands the merchant a nonce.
(() => {
  const query = new URLSearchParams(location.search);
  const clientToken = query.get("client_token");
  const parentOrigin = query.get("parent_origin");
  const field = (id) => document.getElementById(id);
  const message = field("message");

  const tell = (what) => {
    if (parentOrigin) parent.postMessage({ source: "gatecrash", ...what }, parentOrigin);
  };
  const fail = (code, detail) => {
    message.textContent = detail;
    tell({ error: { code, detail } });
  };

  const readCard = () => {
    const expiry = field("expiry").value.match(/^\s*(\d{1,2})\s*\/?\s*(\d{2}|\d{4})\s*$/);
    if (!expiry) return null;
    const year = Number(expiry[2]);
    return {
      number: field("number").value.replace(/[\s-]/g, ""),
      exp_month: Number(expiry[1]),
      exp_year: year < 100 ? 2000 + year : year,
      cvc: field("cvc").value.trim(),
    };
  };

  let busy = false;
  const submit = async () => {
    if (busy) return;
    message.textContent = "";
    const card = readCard();
    if (!card) return fail("parameter_invalid", "The expiry date is not of the form MM / YY.");
    busy = true;
    try {
      // the page is /hosted/card-fields, also when the gateway stands behind a path
      const answer = await fetch("../v1/tokens", {
        method: "POST",
        headers: { "Authorization": `Bearer ${clientToken}`, "Content-Type": "application/json" },
        body: JSON.stringify({ card }),
      });
      const body = await answer.json();
      if (!answer.ok) return fail(body.code, body.detail);
      field("card").reset();
      tell({ nonce: body.id, card: body.card });
    } catch {
      fail("network", "The gateway could not be reached. Nothing was charged; please try again.");
    } finally {
      busy = false;
    }
  };

  field("card").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  addEventListener("message", (event) => {
    if (event.source !== parent || event.origin !== parentOrigin) return;
    if (event.data && event.data.target === "gatecrash" && event.data.action === "submit") submit();
  });
  if (!clientToken || !parentOrigin) {
    message.textContent = "This page needs the query parameters client_token and parent_origin.";
  } else {
    tell({ ready: true });
  }
})();
