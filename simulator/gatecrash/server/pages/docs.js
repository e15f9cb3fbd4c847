// Makes a page of openapi.json: operations by tag, schemas and errors to unfold, examples with curl. No library, no network.
(() => {
  const METHODS = ["get", "post", "put", "patch", "delete", "options", "head"];
  const byId = (id) => document.getElementById(id);
  let contract, server;

  // --- elements

  const make = (tag, given = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  };
  // the little Markdown that descriptions hold: paragraphs, `code`, **strong**
  const inline = (text) => text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) =>
    part.startsWith("`") ? make("code", {}, part.slice(1, -1))
      : part.startsWith("**") ? make("strong", {}, part.slice(2, -2)) : part);
  const prose = (text) => (text || "").trim().split(/\n\s*\n/).filter(Boolean).map((each) => make("p", {}, ...inline(each)));
  // what is inside is made when it is first opened: a contract is large
  const fold = (given, summary, fill) => {
    const inside = make("div", { class: "inside" });
    const details = make("details", given, make("summary", {}, ...summary), inside);
    details.fill = () => { if (!inside.hasChildNodes()) inside.append(...fill()); };
    details.addEventListener("toggle", () => details.open && details.fill());
    return details;
  };
  const listing = (text, label) => {
    const copy = make("button", { class: "copy", type: "button", "aria-label": `Copy ${label}` }, "copy");
    copy.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); copy.textContent = "copied"; } catch { copy.textContent = "select and copy"; }
    });
    return make("div", { class: "with-copy" }, make("pre", {}, make("code", {}, text)), copy);
  };

  // --- the document

  const lookUp = (reference) => reference.slice(2).split("/").reduce(
    (node, part) => node[part.replaceAll("~1", "/").replaceAll("~0", "~")], contract);
  const resolve = (node) => (node && node.$ref ? { ...resolve(lookUp(node.$ref)), ...node, $ref: undefined } : node);
  const nameOf = (reference) => reference.slice(reference.lastIndexOf("/") + 1);
  const operations = () => Object.entries(contract.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      ...item[method], method, path, parameters: [...(item.parameters || []), ...(item[method].parameters || [])].map(resolve),
    })));
  const codesOf = (schema) => {
    const plain = resolve(schema) || {};
    return [...(plain.enum || []), ...("const" in plain ? [plain.const] : []), ...(plain.anyOf || []).flatMap(codesOf)];
  };
  const problemCodes = (response) => {
    const schema = resolve(response).content?.["application/problem+json"]?.schema;
    return schema ? codesOf((schema.properties || {}).code) : [];
  };

  // --- examples

  const exampleOf = (schema, depth = 0) => {
    const plain = resolve(schema) || {};
    if (plain.examples) return plain.examples[0];
    for (const name of ["example", "const", "default"]) if (name in plain && plain[name] !== null) return plain[name];
    if (plain.enum) return plain.enum[0];
    const branch = (plain.oneOf || plain.anyOf || [])[0];
    if (plain.type === "object" || plain.properties) {
      if (depth > 6) return {};
      const all = { ...plain.properties, ...(resolve(branch) || {}).properties };
      const needed = new Set([...(plain.required || []), ...((resolve(branch) || {}).required || [])]);
      return Object.fromEntries(Object.keys(all).filter((name) => needed.has(name)).map((name) => [name, exampleOf(all[name], depth + 1)]));
    }
    if (branch) return exampleOf(branch, depth + 1);
    const type = [plain.type].flat()[0];
    if (type === "array") return plain.items && depth < 6 ? [exampleOf(plain.items, depth + 1)] : [];
    if (type === "integer" || type === "number") return plain.minimum ?? 1;
    if (type === "boolean") return true;
    return type === "null" ? null : "text";
  };
  const bodies = (media) => media.examples ? Object.entries(media.examples).map(([name, one]) => [name, resolve(one).value])
    : [["example", "example" in media ? media.example : exampleOf(media.schema)]];
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parameterExample = (one) => String(one.example ?? exampleOf(one.schema));
  const curl = (operation, body) => {
    const path = operation.path.replace(/\{(\w+)\}/g, (whole, name) => {
      const one = operation.parameters.find((each) => each.in === "path" && each.name === name);
      return one ? encodeURIComponent(parameterExample(one)) : whole;
    });
    const query = operation.parameters.filter((one) => one.in === "query" && (one.required || one.example !== undefined))
      .map((one) => `${one.name}=${encodeURIComponent(parameterExample(one))}`).join("&");
    const lines = [`curl ${operation.method === "get" ? "" : `-X ${operation.method.toUpperCase()} `}${quoted(server + path + (query && `?${query}`))}`];
    const keys = (operation.security || contract.security || []).flatMap(Object.keys);
    if (keys.length) lines.push(`-H 'Authorization: Bearer ${keys.includes("secretKey") ? "sk_test_me" : "pk_test_me"}'`);
    const idempotent = operation.parameters.find((one) => one.name === "Idempotency-Key");
    if (idempotent) lines.push(`-H 'Idempotency-Key: ${parameterExample(idempotent)}'`);
    if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
    return lines.join(" \\\n  ");
  };

  // --- schemas

  const limits = (plain) => [
    ["format", plain.format], ["from", plain.minimum], ["above", plain.exclusiveMinimum], ["to", plain.maximum], ["default", plain.default],
    ["shortest", plain.minLength], ["longest", plain.maxLength], ["at least", plain.minItems], ["at most", plain.maxItems ?? plain.maxProperties],
    ["matches", plain.pattern],
  ].filter(([, value]) => value !== undefined);
  const kindOf = (schema) => {
    if (schema === true || schema === undefined) return "anything";
    if (schema.$ref) return nameOf(schema.$ref);
    if ("const" in schema) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.length > 8 ? `one of ${schema.enum.length} words` : schema.enum.map((one) => JSON.stringify(one)).join(" | ");
    const many = schema.anyOf || schema.oneOf;
    if (many) return many.map(kindOf).join(" | ");
    const types = [schema.type || (schema.properties ? "object" : "anything")].flat();
    return types.map((type) => (type === "array" && schema.items ? `array of ${kindOf(schema.items)}` : type)).join(" | ");
  };
  const partsOf = (schema) => {
    // what a kind holds that is worth unfolding: named schemas, objects, lists of them, alternatives
    if (!schema || schema === true) return [];
    if (schema.$ref) return [schema];
    const inner = [...(schema.anyOf || []), ...(schema.oneOf || []), ...(schema.items ? [schema.items] : [])];
    return schema.properties || (schema.additionalProperties && schema.additionalProperties.$ref) ? [schema] : inner.flatMap(partsOf);
  };
  const simple = (schema) => { const plain = resolve(schema); return !plain.properties && !plain.oneOf && !plain.anyOf && !plain.items; };
  const property = (name, schema, needed) => {
    const plain = resolve(schema) === undefined ? {} : resolve(schema);
    const words = limits(plain).map(([what, value]) => `${what} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(", ");
    const known = plain.enum && plain.enum.length > 8 ? [make("p", {}, ...plain.enum.flatMap((one) => [make("code", {}, JSON.stringify(one)), " "]))] : [];
    const unfold = partsOf(schema).filter((part) => !simple(part)).map((part) =>
      fold({}, part.$ref ? [nameOf(part.$ref)] : inline(part.title || "its fields"), () => [schemaView(part)]));
    return make("tr", {},
      make("th", { scope: "row" }, make("code", {}, name), needed ? make("span", { class: "needed" }, "required") : ""),
      make("td", {}, make("span", { class: "soft" }, kindOf(schema), words ? `; ${words}` : ""), ...prose(plain.description), ...known, ...unfold));
  };
  const schemaView = (schema) => {
    const plain = resolve(schema) || {};
    const rows = Object.entries(plain.properties || {}).map(([name, one]) => property(name, one, (plain.required || []).includes(name)));
    const box = make("div", { class: "schema" }, ...prose(plain.description));
    if (rows.length) box.append(make("table", {}, make("tbody", {}, ...rows)));
    else box.append(make("p", { class: "soft" }, kindOf({ ...plain, $ref: undefined })));
    for (const one of [...(plain.oneOf || []), ...(plain.anyOf || [])]) {
      const inner = resolve(one) || {};
      box.append(fold({}, inline(inner.title || (one.$ref ? nameOf(one.$ref) : kindOf(one))), () => [schemaView(one)]));
    }
    const elements = plain.items || (typeof plain.additionalProperties === "object" ? plain.additionalProperties : null);
    if (elements) box.append(fold({}, [`each: ${kindOf(elements)}`], () => [schemaView(elements)]));
    return box;
  };
  const mediaView = (media) => Object.entries(media || {}).flatMap(([type, one]) => [
    make("p", { class: "soft" }, type), ...(type.endsWith("json") && one.schema ? [schemaView(one.schema)] : [])]);

  // --- operations

  const responseView = (status, given) => {
    const response = resolve(given);
    const codes = problemCodes(given);
    return fold({ "data-status": status }, [
      make("span", { class: `status ${status < "3" ? "ok" : "no"}` }, status), ...inline(response.description || "")], () => [
      ...(codes.length ? [make("p", {}, "Codes: ", ...codes.flatMap((code) => [make("a", { href: `#error-${code}` }, code), " "]))] : []),
      ...(response.headers ? [make("h3", {}, "Headers"), make("table", {}, make("tbody", {}, ...Object.entries(response.headers).map(
        ([name, one]) => property(name, { description: resolve(one).description, ...resolve(resolve(one).schema) }, resolve(one).required))))] : []),
      ...mediaView(response.content),
      ...(response.links ? [make("h3", {}, "Goes on to"), ...Object.entries(response.links).map(([name, link]) => make("p", {},
        make("a", { href: `#${resolve(link).operationId}` }, name), ` — ${resolve(link).operationId}`))] : []),
    ]);
  };
  const operationView = (operation) => fold({ class: "card operation", id: operation.operationId }, [
    make("span", { class: `method ${operation.method}` }, operation.method.toUpperCase()), make("span", { class: "path" }, operation.path),
    make("span", { class: "soft" }, operation.summary || "")], () => {
    const keys = (operation.security || contract.security || []).flatMap(Object.keys);
    const body = resolve(operation.requestBody);
    const media = body?.content?.["application/json"];
    return [
      ...prose(operation.description),
      make("p", { class: "soft" }, "Key: ", ...(keys.length ? keys.flatMap((key) => [make("a", { href: "#keys" }, key), " "]) : ["none"])),
      ...(operation.parameters.length ? [make("h3", {}, "Parameters"), make("table", {}, make("tbody", {}, ...operation.parameters.map((one) =>
        property(one.name, { ...resolve(one.schema), description: `(${one.in}) ${one.description || ""}` }, one.required))))] : []),
      ...(body ? [make("h3", {}, "Body", body.required ? make("span", { class: "needed" }, "required") : ""), ...prose(body.description), ...mediaView(body.content)] : []),
      ...(operation.webhook ? [] : [make("h3", {}, "Try it"),
        ...(media ? bodies(media).map(([name, value]) => listing(curl(operation, value), `${name} of ${operation.operationId}`))
          : [listing(curl(operation), operation.operationId)])]),
      make("h3", {}, "Answers"), ...Object.entries(operation.responses).map(([status, one]) => responseView(status, one)),
    ];
  });
  const errorView = (code, givers) => fold({ class: "card error", id: `error-${code}` }, [make("code", {}, code)], () => {
    const advice = make("p", {}, "…");
    fetch(`errors/${encodeURIComponent(code)}`).then((answer) => answer.json()).then(
      (told) => advice.replaceChildren(make("strong", {}, `${told.title} (${told.status}). `), ...inline(told.advice || "")),
      () => { advice.textContent = "The gateway could not be asked; is it running?"; });
    return [advice, make("p", {}, ...(givers.length ? ["Given by ", ...givers.flatMap((id) => [make("a", { href: `#${id}` }, id), " "])]
      : ["Given outside any operation."]))];
  });

  // --- the page

  // everything that can be searched for: its element, its entry in the contents, its words
  const entries = [];
  const section = (title, description, items, anchor) => {
    const heading = make("h2", anchor ? { id: anchor } : {}, title);
    const group = make("div", {}, make("span", { class: "group" }, title));
    const whole = make("section", {}, heading, ...prose(description), ...items.map((item) => item.element));
    for (const item of items) {
      const link = make("a", { href: `#${item.element.id}` }, item.label);
      group.append(link);
      entries.push({ ...item, link, group, section: whole, words: item.words.toLowerCase() });
    }
    byId("contents").append(group);
    byId("contract").append(whole);
  };
  const wordsOf = (operation) => {
    const codes = Object.values(operation.responses).flatMap(problemCodes);
    const fields = operation.parameters.map((one) => one.name);
    return [operation.operationId, operation.method, operation.path, operation.summary, operation.description, ...fields, ...codes].join(" ");
  };
  const build = () => {
    document.title = contract.info.title;
    byId("version").textContent = contract.info.version;
    byId("contract").replaceChildren(make("p", {}, "At ", make("code", { id: "server" }, server)), ...prose(contract.info.description));
    const all = operations();
    for (const tag of contract.tags) section(tag.name, tag.description, all.filter((one) => (one.tags || [])[0] === tag.name).map(
      (one) => ({ element: operationView(one), label: one.operationId, words: wordsOf(one) })));
    section("Webhooks", "What the gateway sends you.", Object.entries(contract.webhooks || {}).flatMap(([name, item]) => METHODS.filter((method) => item[method]).map((method) => {
      const one = { ...item[method], method, path: name, webhook: true, parameters: (item[method].parameters || []).map(resolve) };
      return { element: operationView({ ...one, operationId: `webhook-${name}` }), label: name, words: wordsOf(one) };
    })));
    const givers = new Map(contract.components.schemas.ErrorCode.enum.map((code) => [code, []]));
    for (const one of all) for (const code of new Set(Object.values(one.responses).flatMap(problemCodes))) givers.get(code)?.push(one.operationId);
    section("Errors", "Every `code` there is, what to do about it, and which calls give it.", [...givers].map(
      ([code, ids]) => ({ element: errorView(code, ids), label: code, words: `error ${code}` })));
    section("Keys", "How to say who is asking.", Object.entries(contract.components.securitySchemes).map(([name, scheme]) => ({
      element: fold({ class: "card", id: `key-${name}` }, [make("code", {}, name)], () => prose(scheme.description)), label: name, words: `key ${name} ${scheme.description}`,
    })), "keys");
    section("Schemas", "Every shape by its name.", Object.entries(contract.components.schemas).map(([name, schema]) => ({
      element: fold({ class: "card schema-card", id: `schema-${name}` }, [make("code", {}, name)], () => [
        schemaView(schema), ...(schema.examples ? [make("h3", {}, "Example"), listing(JSON.stringify(schema.examples[0], null, 2), `example of ${name}`)] : [])]),
      label: name, words: `schema ${name} ${schema.description || ""} ${Object.keys(schema.properties || {}).join(" ")}`,
    })));
  };
  const search = () => {
    const asked = byId("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set();
    let count = 0;
    for (const entry of entries) {
      const fits = asked.every((word) => entry.words.includes(word));
      entry.element.hidden = entry.link.hidden = !fits;
      if (fits) { count += 1; shown.add(entry.section).add(entry.group); }
    }
    for (const entry of entries) { entry.section.hidden = !shown.has(entry.section); entry.group.hidden = !shown.has(entry.group); }
    byId("found").textContent = asked.length ? `${count} found` : "";
  };
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.hidden || target.closest("section")?.hidden) { byId("search").value = ""; search(); }
    if (target.fill) { target.fill(); target.open = true; }
    target.scrollIntoView();
  };

  fetch("openapi.json").then((answer) => answer.json()).then((told) => {
    contract = told;
    server = new URL(contract.servers[0].url, location.href).href.replace(/\/$/, "");
    build();
    byId("search").addEventListener("input", search);
    addEventListener("hashchange", open);
    addEventListener("keydown", (event) => {
      if (event.key === "/" && document.activeElement !== byId("search")) { event.preventDefault(); byId("search").focus(); }
      if (event.key === "Escape" && document.activeElement === byId("search")) { byId("search").value = ""; search(); }
    });
    open();
  }).catch((error) => { byId("contract").textContent = `The contract could not be read: ${error.message}`; });
})();
