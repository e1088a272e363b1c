// The page to try a model. Values travel as JSON texts: a number that JavaScript cannot hold keeps its digits.
"use strict";

const model = JSON.parse(document.getElementById("model").textContent);
const MOST_SHOWN = 200;
const MOST_BARS = 10;
const EDITABLE_BYTES = 200000;

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; texts become text, never HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// ---- The form of one row -------------------------------------------------------------------------------------------

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

function literalOf(field) {
  const control = byId(field.id);
  if (field.kind === "choice") {
    if (control.value !== "") return control.value;
    const other = byId(`${field.id}-other`).value;
    return field.type === "text" ? JSON.stringify(other) : literalOfNumber(other);
  }
  if (control.value === "") return field.nullable || field.kind !== "text" && field.kind !== "area" ? "null" : '""';
  return field.kind === "number" ? literalOfNumber(control.value) : JSON.stringify(control.value);
}

/** What is no number goes as the text that it is: the service says what it expected. */
function literalOfNumber(text) {
  const trimmed = text.trim();
  if (trimmed === "") return "null";
  return NUMBER.test(trimmed) ? trimmed : JSON.stringify(text);
}

function fill(field, literal) {
  const control = byId(field.id);
  if (field.kind === "choice") return choose(field, control, literal);
  const value = literal === "null" ? "" : String(literal.startsWith('"') ? JSON.parse(literal) : literal);
  control.value = value;
  // A browser's own control knows no offset and no nanoseconds: such a moment is written as it is.
  if (field.kind === "datetime" && control.value === "" && value !== "") {
    control.type = "text";
    control.value = value;
  }
}

function choose(field, control, literal) {
  control.value = literal;
  if (control.selectedIndex < 0 && field.is_open) {
    control.value = "";
    byId(`${field.id}-other`).value = literal.startsWith('"') ? JSON.parse(literal) : literal;
  }
  showOther(field);
}

function showOther(field) {
  const other = byId(`${field.id}-other`);
  if (other) other.hidden = byId(field.id).value !== "";
}

function bodyOfOne() {
  if (!model.fields.length) return byId("body").value;
  const cells = model.fields.map((field) => `${JSON.stringify(field.name)}: ${literalOf(field)}`);
  return `{"instances": [{\n  ${cells.join(",\n  ")}\n}]}`;
}

// ---- Several rows --------------------------------------------------------------------------------------------------

/** What goes in place of the box's text, where that cannot be shown: `{ body, type }`. */
let upload = null;

function csvField(literal) {
  if (literal === "null") return "";
  const text = literal.startsWith('"') ? JSON.parse(literal) : literal;
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csvOfExamples() {
  const names = model.fields.map((field) => csvField(JSON.stringify(field.name)));
  return [names, ...model.examples.map((row) => row.map(csvField))].map((row) => row.join(",")).join("\n");
}

// A field in quotes may hold tabs and line ends; any other is what stands up to the next of them.
const TAB_FIELD = /(?:("(?:[^"]|"")*")|([^\t\r\n]*))(\t|\r?\n|$)/g;

/** Cells copied from a spreadsheet, and files of them, are separated by tabs. */
function asCsv(text) {
  const [header] = text.split("\n", 1);
  if (!header.includes("\t")) return text;
  return text.replace(TAB_FIELD, (_, quoted, bare, end) => (quoted ?? csvOfBare(bare)) + (end === "\t" ? "," : end));
}

function csvOfBare(text) {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function requestOf(text) {
  return /^\s*[[{]/.test(text) ? { body: text, type: "application/json" } : { body: asCsv(text), type: "text/csv" };
}

/** The text of bytes; null where they are not UTF-8. */
function textOf(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

async function take(file) {
  clearErrors();
  if (!file) return;
  const bytes = await file.arrayBuffer().catch(() => null);
  if (bytes === null) return alarm("No file", `The browser could not read ${file.name}.`);
  const text = textOf(bytes);
  const isEditable = text !== null && bytes.byteLength <= EDITABLE_BYTES;
  // What is no UTF-8 goes as it is: the service says so, and on which line.
  const request = text === null ? { body: bytes, type: "text/csv" } : requestOf(text);
  const reason = text === null ? "not UTF-8, sent as they are" : "too many to edit here";
  const box = byId("rows");
  upload = isEditable ? null : request;
  box.readOnly = !isEditable;
  box.value = isEditable ? text : `${file.name}: ${bytes.byteLength.toLocaleString("en")} bytes, ${reason}`;
  describe();
}

// ---- Asking --------------------------------------------------------------------------------------------------------

const address = (question) => `predict${question ? `?${question}` : ""}`;

/** The answer as it came; null where none did. */
async function ask({ body, type }) {
  const began = performance.now();
  try {
    const response = await fetch(address(model.question), { method: "POST", headers: { "Content-Type": type }, body });
    const text = await response.text();
    return { response, text, took: performance.now() - began };
  } catch {
    return null;
  }
}

/** The value of a JSON text; undefined where it is none. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function submit(event, requested, show) {
  event.preventDefault();
  const button = event.target.querySelector("[type=submit]");
  if (button.getAttribute("aria-disabled") === "true") return;
  clearErrors();
  const request = requested();
  button.setAttribute("aria-disabled", "true");
  const came = await ask(request);
  button.removeAttribute("aria-disabled");
  if (!came) return alarm("No answer", "The service could not be reached. Is it still running?");
  const value = parsed(came.text);
  if (came.response.ok && value !== undefined) show(value, came.took);
  else refuse(came.response, value);
}

function oneRow() {
  return { body: bodyOfOne(), type: "application/json" };
}

function severalRows() {
  return upload ?? requestOf(byId("rows").value);
}

// ---- Refusals ------------------------------------------------------------------------------------------------------

function refuse(response, problem) {
  const reason = problem === undefined ? "What answered was not the model: this is no JSON." : "The service gave no reason.";
  alarm(problem?.title || `Status ${response.status}`, problem?.detail || problem?.error || reason);
  if (problem?.at) point(problem);
}

function point(problem) {
  const wrong = problem.expected ? `Expected ${problem.expected}, got ${problem.got}.` : problem.title;
  if (!byId("one").hidden) {
    const field = model.fields.find((each) => problem.at === `$.instances[0]${each.at}`);
    const control = field && field.kind === "choice" && byId(field.id).value === "" ? `${field.id}-other` : field?.id;
    if (field) return mark(byId(control), byId(`${field.id}-wrong`), wrong);
    return byId("body") && mark(byId("body"), byId("body-wrong"), problem.detail);
  }
  const box = byId("rows");
  mark(box, byId("rows-wrong"), `${problem.at}: ${wrong.charAt(0).toLowerCase()}${wrong.slice(1)}`);
  selectLine(box, Number(/^line (\d+)/.exec(problem.at)?.[1]));
}

function mark(control, place, text) {
  control.setAttribute("aria-invalid", "true");
  place.textContent = text;
  control.closest("[data-name]")?.removeAttribute("hidden");
  control.focus();
}

function selectLine(box, number) {
  if (!number || upload) return;
  const lines = box.value.split("\n");
  const start = lines.slice(0, number - 1).reduce((total, line) => total + line.length + 1, 0);
  box.setSelectionRange(start, start + (lines[number - 1] || "").length);
  box.scrollLeft = 0;
  box.scrollTop = box.scrollHeight * (number - 1) / lines.length - box.clientHeight / 2;
}

function clearErrors() {
  for (const control of document.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
  for (const place of document.querySelectorAll(".wrong")) place.textContent = "";
}

function alarm(title, detail) {
  present(make("div", { class: "alert" }, make("strong", {}, title), make("p", {}, detail)));
}

// ---- Answers -------------------------------------------------------------------------------------------------------

function present(...children) {
  byId("shown").replaceChildren(...children);
  // On a phone the answer stands below the form.
  const { top, bottom } = byId("answer").getBoundingClientRect();
  if (top > innerHeight - 160 || bottom < 80) byId("answer").scrollIntoView({ behavior: "smooth", block: "nearest" });
}

const shownNumber = (number) => number.toLocaleString("en", { maximumSignificantDigits: 6 });

function shown(value) {
  if (value === null) return "none";
  if (Array.isArray(value)) return value.map(shown).join(", ");
  return typeof value === "number" && !Number.isInteger(value) ? shownNumber(value) : String(value);
}

const percent = (share) => share === null ? "none" : `${(share * 100).toFixed(share > 0.9995 && share < 1 ? 3 : 1)} %`;

function bars(entries, width, words) {
  const list = make("ul", { class: "bars" });
  entries.forEach(([label, value], index) => {
    const fill = make("div");
    // Set from here: the policy allows no style that is written into the page.
    requestAnimationFrame(() => requestAnimationFrame(() => { fill.style.width = `${Math.max(0, Math.min(1, width(value))) * 100}%`; }));
    list.append(make("li", index ? {} : { class: "first" },
      make("div", { class: "label" }, make("span", {}, label), make("span", {}, words(value))),
      make("div", { class: "track", "aria-hidden": "true" }, fill)));
  });
  return list;
}

function ranked(shares) {
  return Object.entries(shares).sort((one, other) => other[1] - one[1]);
}

function some(entries, draw) {
  const list = draw(entries.slice(0, MOST_BARS));
  const more = entries.length - MOST_BARS;
  if (more <= 0) return [list];
  const button = make("button", { class: "button slim", type: "button" }, `${more} more`);
  button.addEventListener("click", () => { list.replaceWith(draw(entries)); button.remove(); });
  return [list, make("div", { class: "actions" }, button)];
}

function shares(probabilities) {
  return some(ranked(probabilities), (entries) => bars(entries, (share) => share, percent));
}

function distances(values) {
  const largest = Math.max(...values.filter((value) => value !== null), 0) || 1;
  const entries = values.map((value, index) => [`to ${index}`, value]).sort((one, other) => one[1] - other[1]);
  return some(entries, (near) => bars(near, (value) => value / largest, (value) => shown(value)));
}

function told(answer, took) {
  return make("div", { class: "told" },
    make("span", {}, `${Math.round(took)} ms with the network`),
    make("span", {}, "id ", make("code", {}, answer.prediction_id)));
}

function raw(answer) {
  const pre = make("pre", { tabindex: "0", class: "tall" }, JSON.stringify(answer, null, 2));
  return make("details", {}, make("summary", {}, "The answer as JSON"), pre);
}

function showOne(answer, took) {
  if (!model.fields.length) return present(make("pre", { tabindex: "0", class: "tall" }, JSON.stringify(answer, null, 2)));
  const parts = [
    make("p", { class: "answer-label" }, answer.distances ? "Cluster" : "Prediction"),
    make("p", { class: "prediction" }, shown(answer.predictions[0])),
  ];
  if (answer.probabilities) parts.push(...shares(answer.probabilities[0]));
  if (answer.distances) parts.push(make("p", { class: "answer-label summary" }), ...distances(answer.distances[0]));
  present(...parts, told(answer, took), raw(answer));
}

function showSeveral(answer, took) {
  const count = answer.predictions.length;
  const parts = [make("p", { class: "answer-label" }, count === 1 ? "Prediction for 1 row" : `Predictions for ${count.toLocaleString("en")} rows`)];
  const counts = new Map();
  for (const prediction of answer.predictions) counts.set(shown(prediction), (counts.get(shown(prediction)) || 0) + 1);
  if (counts.size > 1 && counts.size <= MOST_BARS && count > counts.size) {
    const entries = [...counts].sort((one, other) => other[1] - one[1]);
    const list = bars(entries, (number) => number / count, (number) => `${number.toLocaleString("en")} rows`);
    list.classList.add("summary");
    parts.push(list);
  }
  parts.push(table(answer));
  if (count > MOST_SHOWN) parts.push(make("p", { class: "hint" }, `The first ${MOST_SHOWN}. The file has all of them.`));
  const button = make("button", { class: "button slim", type: "button" }, "Download as CSV");
  button.addEventListener("click", () => download(csvOf(answer)));
  present(...parts, make("div", { class: "actions" }, button), told(answer, took));
}

function table(answer) {
  const heads = ["Row", "Prediction", ...(answer.probabilities ? ["Probability"] : [])];
  const rows = answer.predictions.slice(0, MOST_SHOWN).map((prediction, index) => {
    const cells = [make("td", { class: "soft" }, String(index + 1)), make("td", {}, make("b", {}, shown(prediction)))];
    if (answer.probabilities) cells.push(make("td", {}, percent(ranked(answer.probabilities[index])[0][1])));
    return make("tr", {}, ...cells);
  });
  const head = make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text))));
  return make("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Predictions" },
    make("table", {}, head, make("tbody", {}, ...rows)));
}

function csvOf(answer) {
  const labels = answer.probabilities ? Object.keys(answer.probabilities[0]) : [];
  const header = ["prediction", ...labels.map((label) => `probability_${label}`)];
  const rows = answer.predictions.map((prediction, index) => [prediction, ...labels.map((label) => answer.probabilities[index][label])]);
  return [header, ...rows].map((row) => row.map((value) => csvField(JSON.stringify(value))).join(",")).join("\n");
}

function download(text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" })), download: "predictions.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}

// ---- The request as code -------------------------------------------------------------------------------------------

const inShell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const indented = (text, width) => text.replaceAll("\n", `\n${" ".repeat(width)}`);
const WORDS = { true: "True", false: "False", null: "None" };
const inPython = (json) => json.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, (part) => WORDS[part] || part);

const LANGUAGES = {
  curl: {
    one: (url, body) => `curl ${inShell(url)} \\\n  --header 'Content-Type: application/json' \\\n  --data ${inShell(indented(body, 2))}`,
    several: (url) => `curl ${inShell(url)} \\\n  --header 'Content-Type: text/csv' \\\n  --data-binary @rows.csv`,
  },
  python: {
    one: (url, body) => `import requests\n\nresponse = requests.post(\n    ${JSON.stringify(url)},\n    json=${inPython(indented(body, 4))},\n    timeout=10,\n)\nresponse.raise_for_status()\nprint(response.json()${model.fields.length ? '["predictions"]' : ""})`,
    several: (url) => `import requests\n\nwith open("rows.csv", "rb") as rows:\n    response = requests.post(\n        ${JSON.stringify(url)},\n        data=rows,\n        headers={"Content-Type": "text/csv"},\n        timeout=10,\n    )\nresponse.raise_for_status()\nprint(response.json()["predictions"])`,
  },
  javascript: {
    one: (url, body) => `const response = await fetch(${JSON.stringify(url)}, {\n  method: "POST",\n  headers: { "Content-Type": "application/json" },\n  body: JSON.stringify(${indented(body, 2)}),\n});\nif (!response.ok) throw new Error((await response.json()).detail);\nconsole.log(${model.fields.length ? "(await response.json()).predictions" : "await response.json()"});`,
    several: (url) => `const response = await fetch(${JSON.stringify(url)}, {\n  method: "POST",\n  headers: { "Content-Type": "text/csv" },\n  body: rows, // a header line with the names, then a line a row\n});\nif (!response.ok) throw new Error((await response.json()).detail);\nconsole.log((await response.json()).predictions);`,
  },
};

function describe() {
  const language = document.querySelector("[data-language][aria-selected=true]").dataset.language;
  const url = new URL(address(model.question), document.baseURI).href;
  const isOne = !byId("several") || byId("several").hidden;
  byId("code").textContent = isOne ? LANGUAGES[language].one(url, bodyOfOne()) : LANGUAGES[language].several(url);
}

/** Without HTTPS a browser has no clipboard to offer but the old way. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = make("textarea", { class: "unseen", "aria-hidden": "true" });
  box.value = text;
  document.body.append(box);
  box.select();
  const isDone = document.execCommand("copy");
  box.remove();
  if (!isDone) throw new Error("the browser refused");
}

// ---- What is wired to what -----------------------------------------------------------------------------------------

function select(tab) {
  for (const other of tab.parentElement.children) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    const panel = byId(other.getAttribute("aria-controls"));
    if (other.dataset.language) panel.setAttribute("aria-labelledby", tab.id);
    else panel.hidden = other !== tab;
  }
  describe();
}

function step(event) {
  const tabs = [...event.currentTarget.children];
  const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -tabs.indexOf(event.target), End: tabs.length - 1 - tabs.indexOf(event.target) };
  if (!(event.key in steps)) return;
  event.preventDefault();
  const next = tabs[(tabs.indexOf(event.target) + steps[event.key] + tabs.length) % tabs.length];
  next.focus();
  select(next);
}

let shownExample = 0;

function fillExample(index) {
  if (model.examples.length) model.fields.forEach((field, position) => fill(field, model.examples[index][position]));
  describe();
}

for (const list of document.querySelectorAll("[data-tabs]")) {
  list.addEventListener("click", (event) => event.target.closest("[role=tab]") && select(event.target.closest("[role=tab]")));
  list.addEventListener("keydown", step);
}
for (const button of document.querySelectorAll("[data-copy]")) {
  const status = button.parentElement.querySelector("[data-copied]");
  button.addEventListener("click", () => copy(byId(button.dataset.copy).textContent).then(
    () => { status.textContent = "Copied"; }, () => { status.textContent = "Select the text and copy it"; }));
}
byId("form-one").addEventListener("submit", (event) => submit(event, oneRow, showOne));
byId("form-one").addEventListener("input", (event) => {
  event.target.removeAttribute("aria-invalid");
  const field = model.fields.find((each) => event.target.id === each.id || event.target.id === `${each.id}-other`);
  if (field) {
    byId(`${field.id}-wrong`).textContent = "";
    showOther(field);
  }
  describe();
});
byId("another")?.addEventListener("click", () => {
  clearErrors();
  shownExample = (shownExample + 1) % model.examples.length;
  fillExample(shownExample);
});
byId("filter")?.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const field of document.querySelectorAll("[data-name]")) field.hidden = !field.dataset.name.includes(wanted);
});
if (byId("several")) {
  const drop = byId("drop");
  byId("rows").value = csvOfExamples();
  byId("form-several").addEventListener("submit", (event) => submit(event, severalRows, showSeveral));
  byId("rows").addEventListener("input", clearErrors);
  // Else a file that was mended and is chosen again is no change.
  byId("file").addEventListener("click", (event) => { event.target.value = ""; });
  byId("file").addEventListener("change", (event) => take(event.target.files[0]));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files[0]); });
}
fillExample(0);
