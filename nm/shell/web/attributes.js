// The component that is chosen: how it stands, its attributes, and their change. Before anything is changed the
// daemon is asked what that would mean; afterwards the job is followed to its end.

import {make, put, note, keep, byId} from "/elements.js";
import {ask, change, mayWrite, saidOf} from "/link.js";

const PATIENCE = 250; // ms behind the last key until the daemon is asked what a change would mean
const AGAIN = 400;    // ms between two looks at a job
const WORDS = {
  now: "at once", restart: "when it starts again", refused: "not at all",
  replace: "only in a description that is applied", termination: "when it ends",
};
const TYPES = {Integer: "number", Long: "number", Boolean: "boolean", String: "text", Vector: "list"};
const one = (id) => document.getElementById(id);

let shown = null;  // {name, editable, description, component}
let edit = null;   // {mode: set, add or remove, name, back: the button that began it}
let asked = 0;     // the number of the newest question
let timer = 0;
let changed = () => {};

export function listen(refresh) {
  changed = refresh;
  one("attributes").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) begin(button.dataset.mode, button.dataset.name, button);
  });
  one("add").addEventListener("click", () => begin("add", "", one("add")));
  one("cancel").addEventListener("click", leave);
  one("edit").addEventListener("submit", (event) => {
    event.preventDefault();
    carryOut();
  });
  for (const id of ["edit-name", "edit-text", "edit-type"]) one(id).addEventListener("input", () => meant(id === "edit-name"));
  one("edit").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    leave();
  });
}

// ---- how it stands

export function draw(answer) {
  const component = answer?.chosen ?? null;
  one("component").hidden = !component;
  if (!component || component.path !== shown?.component.path || answer.description.name !== shown.name) {
    end();
    put(one("said"), "");
  }
  shown = component && {name: answer.description.name, description: answer.description, editable: answer.editable, component};
  if (!shown) return;
  put(one("component-title"), component.path);
  const facts = factsOf(component).filter(([, text]) => text);
  keep(one("facts"), facts.flatMap(([label, text]) => [{id: `${label}:`, text: label, tag: "dt"}, {id: label, text, tag: "dd"}]), byId, ({tag}) => make(tag), (element, {text}) => put(element, text));
  const why = whyNot();
  one("why").hidden = !why;
  put(one("why"), why);
  one("add").hidden = Boolean(why);
  if (why && edit) end();
  drawAttributes(component, !why);
  keep(one("known"), component.known.filter(({name}) => !(name in component.attributes)).map(({name}) => ({id: name})), byId, ({id}) => {
    const option = make("option");
    option.value = id;
    return option;
  });
}

function factsOf({kind, host, state, doing, going, notes, needs}) {
  const leads = Object.entries(needs).map(([name, to]) => `${name} → ${to ?? "nowhere"}`);
  return [
    ["Kind", kind], ["Host", host], ["State", state + (going ? `, ${going}` : "")], ["Under way", doing],
    ["Why", notes.words], ["Trouble", notes.trouble], ["In the way", notes.hindered],
    ["Unreachable", notes.unreachable],
    ["Last update", notes.abandoned], ["Waits", notes.waits], ["Changed by hand", notes.drift],
    ["Needs", leads.join(", ")],
  ];
}

// Why nothing can be changed here; "": it can.
function whyNot() {
  const {description, editable, component} = shown;
  if (!description.may_set) return `you may only look: ${description.owner.name} may change this, with the right describe`;
  if (!editable) return "this console is for looking only (screenEditable false)";
  if (!mayWrite()) return "this browser may only look: open the link of a new nmctl web";
  return component.state === "running" ? "" : "attributes are changed while the component runs";
}

function drawAttributes({attributes, effects, begun, waiting, locked}, free) {
  const rows = Object.entries(attributes).map(([name, value]) => ({id: name, value}));
  keep(one("attributes"), rows, byId, ({id}) => {
    const row = make("tr");
    const name = make("th", "", id);
    name.scope = "row";
    row.append(name, make("td", "value"), make("td"), make("td", "controls"));
    row.lastChild.append(...["set", "remove"].map((mode) => button(mode, id)));
    return row;
  }, (row, {id, value}) => {
    const [, shownValue, effect] = row.children;
    const was = id in begun ? `; it was started ${begun[id] === null ? "without it" : `with ${spell(begun[id])}`}` : "";
    const waits = waiting.includes(id) ? " (waits for the next start)" : "";
    put(shownValue, spell(value) + was + waits);
    note(row, "class", waits ? "waits" : "");
    put(effect, locked.includes(id) ? WORDS.replace : words(effects[id]));
    for (const control of row.querySelectorAll("button")) control.hidden = !free || locked.includes(id);
  });
}

function button(mode, name) {
  const made = make("button", "link", mode === "set" ? "Change" : "Delete");
  made.type = "button";
  made.dataset.mode = mode;
  made.dataset.name = name;
  made.setAttribute("aria-label", `${mode === "set" ? "Change" : "Delete"} ${name}`);
  return made;
}

const words = (effects) => effects.split(" or ").map((effect) => WORDS[effect] ?? effect).join(", or ");

function spell(value) {
  if (value === null) return "NULL";
  if (typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  return value.reference ?? "{…}";
}

// ---- what somebody changes

function begin(mode, name, back) {
  edit = {mode, name, back};
  const {component} = shown;
  const value = component.attributes[name];
  one("edit").hidden = false;
  one("name-field").hidden = mode !== "add";
  for (const field of document.querySelectorAll("#edit .value")) field.hidden = mode === "remove";
  const titles = {set: `Change ${name} of ${component.path}`, add: `Add an attribute to ${component.path}`, remove: `Delete ${name} of ${component.path}?`};
  put(one("edit-title"), titles[mode]);
  put(one("do"), mode === "remove" ? "Delete" : "Set");
  one("edit-name").value = name;
  one("edit-type").value = typeOf(name, value);
  one("edit-text").value = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (value?.reference) one("edit-text").value = "";
  put(one("said"), "");
  (mode === "add" ? one("edit-name") : mode === "remove" ? one("do") : one("edit-text")).focus();
  meant(true);
}

function typeOf(name, value) {
  const known = shown.component.known.find((one) => one.name === name);
  const guessed = {number: "number", boolean: "boolean", object: Array.isArray(value) ? "list" : "text"}[typeof value];
  return TYPES[known?.type] ?? guessed ?? "text";
}

function wanted() {
  const name = edit.mode === "add" ? one("edit-name").value.trim() : edit.name;
  const where = {name: shown.name, path: shown.component.path, attribute: name};
  return edit.mode === "remove" ? {...where, remove: true} : {...where, type: one("edit-type").value, text: one("edit-text").value};
}

// Tell what the change would mean; another name has another type, perhaps.
function meant(named) {
  clearTimeout(timer);
  const {attribute} = wanted();
  const known = shown.component.known.find((one) => one.name === attribute);
  if (named && edit.mode === "add" && known) one("edit-type").value = typeOf(attribute);
  put(one("meaning"), known ? `${known.text}${known.default && `; else ${known.default}`}` : "");
  const complete = attribute && (edit.mode === "remove" || one("edit-type").value === "text" || one("edit-text").value !== "");
  put(one("effect"), "");
  if (complete) timer = setTimeout(tried, PATIENCE);
}

async function tried() {
  const number = ++asked;
  const told = await change({...wanted(), try: true});
  if (number !== asked || !edit) return;
  note(one("effect"), "class", told.ok ? "" : "bad");
  put(one("effect"), told.ok ? told.result.remarks.join("; ") : saidOf(told.error));
}

async function carryOut() {
  clearTimeout(timer);
  asked++;
  const what = wanted();
  one("do").disabled = true;
  const told = await change({...what, try: true});
  const begun = told.ok ? await change(what) : told;
  one("do").disabled = false;
  if (!begun.ok) {
    note(one("effect"), "class", "bad");
    put(one("effect"), saidOf(begun.error));
    return;
  }
  leave();
  say(`${what.attribute}: job ${begun.result} is at it`);
  changed();
  const words = `${what.attribute} of ${what.path} ${what.remove ? "is deleted" : "is set"}: ${told.result.remarks.join("; ")}`;
  follow(begun.result, words, what);
}

async function follow(job, words, what) {
  const told = await ask("/job.json", {id: job});
  const state = told.ok ? told.result.state : "unknown";
  if (state === "queued" || state === "running") return setTimeout(() => follow(job, words, what), AGAIN);
  changed();
  const failed = `job ${job} is ${state}: ${told.ok ? told.result.error?.text ?? "" : saidOf(told.error)}`;
  const ended = state === "done" ? `${await truly(what) || words} (job ${job} is done)` : failed;
  if (shown?.name === what.name && shown.component.path === what.path) say(ended, state !== "done");
}

// What to say when the change could not be in place; "": it was as was told before.
async function truly({name, path, attribute}) {
  const told = await ask("/components.json", {name, view: JSON.stringify({chosen: path, open: []})});
  const component = told.ok && told.result.chosen;
  if (!component || !component.waiting.includes(attribute)) return "";
  const why = component.notes.waits ? `: ${component.notes.waits}` : "";
  return `${attribute} of ${path} is set, and counts when the component starts again${why}`;
}

function say(words, bad = false) {
  note(one("said"), "class", bad ? "bad" : "");
  put(one("said"), words);
}

function end() {
  edit = null;
  asked++;
  clearTimeout(timer);
  one("edit").hidden = true;
}

function leave() {
  const back = edit?.back;
  end();
  if (back?.isConnected && !back.hidden) back.focus();
  else one("component-title").focus();
}
