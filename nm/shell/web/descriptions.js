// Descriptions that are deployed, live: consoles to choose from, the tree of one, the component that is chosen.
//
// What consoles there are comes with the picture. Of the tree only what is unfolded is asked for, again every
// second while something is at it, else every third.

import {make, put, dress, note, keep, byId, count, tellLive} from "/elements.js";
import {Link, ask, saidOf} from "/link.js";
import {Tree} from "/tree.js";
import * as attributes from "/attributes.js";

const TICK = 1000;  // ms between two looks while something happens
const QUIET = 3;    // ticks between two looks otherwise
const MOST = 2000;  // components in one answer
const one = (id) => document.getElementById(id);

let rack = {};
let pools = new Map();
let shown = null;    // {name, root}: the console that is looked at
let chosen = null;   // the path of a component
let answer = null;   // the newest one
let asking = false;
let again = false;   // something was chosen since the question that is under way
let ticks = 0;

const tree = new Tree(one("tree"), refresh, choose);
attributes.listen(refresh);

// ---- consoles

// Descriptions, and under each the consoles that it names.
function drawConsoles() {
  const items = [...pools.values()].flatMap((pool) => [
    {id: pool.name, pool, root: "", title: pool.name},
    ...pool.consoles.map((console) => ({id: `${pool.name}/${console.path}`, pool, root: console.path, title: console.title, inner: true})),
  ]);
  one("no-consoles").hidden = items.length > 0;
  keep(one("consoles"), items, byId, ({id}) => {
    const item = make("li");
    const way = make("a", "console");
    way.href = `#/${id.split("/").map(encodeURIComponent).join("/")}`;
    way.append(make("span", "title"), make("span", "state"), make("span", "about"));
    item.append(way);
    return item;
  }, (item, {pool, root, title, inner}) => {
    dress(item, inner ? "inner" : "");
    const way = item.firstElementChild;
    const [name, state, about] = way.children;
    put(name, title);
    put(state, inner ? "" : pool.state);
    dress(state, `state ${pool.error ? "bad" : pool.job ? "moving" : pool.state === "running" ? "good" : ""}`);
    put(about, inner ? "" : [count(pool.components, "component"), pool.owner.name].join(" · "));
    if (shown?.name === pool.name && shown.root === root) note(way, "aria-current", "page");
    else way.removeAttribute("aria-current");
  });
}

function drawAbout() {
  const {daemon, who} = rack;
  put(one("about"), [daemon, count(pools.size, "description"), who && `seen as ${who}`].filter(Boolean).join(" · "));
}

function take(message) {
  const told = {...message.all, ...message.set};
  if (told.rack) rack = told.rack[0];
  if (message.all?.pools) pools = new Map(message.all.pools.map((pool) => [pool.id, pool]));
  for (const pool of message.set?.pools ?? []) pools.set(pool.id, pool);
  if (!shown && pools.size === 1 && !location.hash) show([...pools.keys()][0]);
  drawAbout();
  drawConsoles();
  if (shown && told.pools) refresh();
}

// ---- the tree

function show(name, root = "") {
  shown = {name, root};
  chosen = null;
  answer = null;
  tree.forget();
  drawConsoles();
  refresh();
}

function choose(path, focus) {
  chosen = path;
  refresh(focus);
}

function view() {
  const words = one("search").value.trim();
  const open = [...tree.unfolded].filter(([, number]) => number > 0);
  return {
    root: shown.root, ...(chosen ? {chosen} : {}), ...(words ? {find: words} : {}),
    ...(tree.unfolded.size ? {open} : {}),
  };
}

// Ask for what is to be seen now. One question at a time; what is chosen meanwhile is asked for behind it.
async function refresh(focus = false) {
  ticks = 0;
  if (!shown) return;
  if (asking) {
    again = again || {focus};
    if (focus) again.focus = true;
    return;
  }
  asking = true;
  const asked = shown;
  const told = await ask("/components.json", {name: asked.name, view: JSON.stringify(view())});
  asking = false;
  if (asked === shown) {
    drawAnswer(told);
    if (focus && told.ok) one("component-title").focus();
  }
  if (again) {
    const next = again;
    again = false;
    refresh(next.focus);
  }
}

function drawAnswer(told) {
  const words = one("search").value.trim();
  if (told.ok) answer = told.result;
  const gone = !told.ok && told.error.code !== null && told.error.code !== undefined;
  if (gone) answer = null;
  one("tree").hidden = !answer || !answer.rows.length;
  const empty = words && !answer?.rows.length ? "nothing is found" : "";
  const full = answer && answer.rows.length >= MOST ? `only ${MOST.toLocaleString("en")} components are shown at once: fold some, or find` : "";
  const said = gone ? saidOf(told.error) : empty || full;
  one("nothing").hidden = !said;
  put(one("nothing"), said);
  attributes.draw(answer);
  if (!answer) return put(one("standing"), "");
  const {description, title} = answer;
  document.title = `nm: ${description.name}`;
  put(one("tree-title"), title === "sfConfig" ? description.name : `${title} of ${description.name}`);
  put(one("standing"), standingOf(description));
  dress(one("standing"), description.error ? "bad" : "");
  put(one("found"), words ? `${answer.rows.length.toLocaleString("en")} of ${answer.matching.toLocaleString("en")} found` : "");
  if (answer.rows.length) tree.draw(answer, chosen, Boolean(words));
  performance.mark("tree");
}

function standingOf({state, job, error, set, revision}) {
  const changes = set.length ? `${count(set.length, "attribute")} set since the description was applied` : "";
  return [state, job !== null && `job ${job} is at it`, error, `revision ${revision}`, changes].filter(Boolean).join(" · ");
}

// ---- what somebody does

// The console that the address names, as #/DESCRIPTION or #/DESCRIPTION/CONSOLE.
function follow() {
  if (!location.hash.startsWith("#/")) return;
  const [name, ...path] = location.hash.slice(2).split("/").map(decodeURIComponent);
  if (name && (shown?.name !== name || shown.root !== path.join("/"))) show(name, path.join("/"));
}

addEventListener("hashchange", follow);
one("search").addEventListener("input", () => refresh());
one("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") tree.go(tree.items[0]);
});
one("close").addEventListener("click", back);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen && event.target.closest?.("#component")) back();
});

// From the component to its line in the tree.
function back() {
  chosen = null;
  attributes.draw(null);
  tree.go(tree.items.find((item) => item.id === tree.current));
  refresh();
}

setInterval(() => {
  const busy = pools.get(shown?.name)?.job ?? answer?.description.job ?? null;
  if (!document.hidden && ++ticks >= (busy !== null ? 1 : QUIET)) refresh();
}, TICK);

const link = new Link(take, () => tellLive(link, rack), "rack,pools");
follow();
await link.fetch();
link.listen();
