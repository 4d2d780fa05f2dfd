// The rack, live. The server sends the picture once and then what changes; the page changes just that.
//
// `rack` holds the picture: for each kind a Map from id to struct, in the order in which things are shown.
// Everything that is drawn comes out of it by `keep`, which makes, moves and drops elements by their ids.

import {
  SIGNS, WORDS, LEGEND, BESIDE, make, put, dress, note, keep, byId,
  count, moment, span, some, until, walk, step, tellLive,
} from "/elements.js";
import {Link, keepToken} from "/link.js";

const KINDS = ["rack", "switches", "ports", "trunks", "hosts", "headnodes", "nodes", "vlans", "groups", "pools", "jobs", "events"];
const rack = Object.fromEntries(KINDS.map((kind) => [kind, new Map()]));
const MANY_PORTS = 250;   // from so many on, ports are drawn small
const MANY_NODES = 120;   // from so many on, only the machines of what is chosen are shown
const MANY_LINES = 48;    // more than so many lines are drawn only of what is pointed at or chosen
const WIDEST = 24;        // ports beside each other on a face plate
const LONG = 4;           // characters of a label that needs no wider port
const narrow = matchMedia("(max-width: 640px)");
const one = (id) => document.getElementById(id);

let chosen = null;        // {kind, id}: what the reader has picked
let pointed = null;       // the same for what the pointer is on; it goes before
let comeBack = null;      // the element that Escape leads back to

// ---- what is where

const list = (kind) => [...rack[kind].values()];
const groupOf = (thing) => rack.groups.get(thing.group ?? "");
const colours = (group) => (group ? ` c${group.colour}${group.pattern ? ` k${group.pattern}` : ""}` : "");

// ---- switches and their ports

function drawSwitches() {
  one("no-switches").hidden = rack.switches.size > 0;
  const ports = new Map(list("switches").map((one) => [one.id, []]));
  for (const port of rack.ports.values()) ports.get(port.switch)?.push(port);
  document.body.classList.toggle("many", rack.ports.size > MANY_PORTS);
  keep(one("switches"), list("switches"), byId, newSwitch, (panel, found) => {
    drawSwitch(panel, found, ports.get(found.id));
  });
}

function newSwitch(found) {
  const panel = make("div");
  panel.setAttribute("role", "group");
  panel.dataset.switch = found.id;
  const title = make("div", "title");
  const name = make("h3", "", found.name);
  name.id = `switch-${found.id}`;
  title.append(name, make("span", "about"), make("span", "note"));
  const grid = make("div", "ports");
  grid.setAttribute("role", "grid");
  panel.setAttribute("aria-labelledby", name.id);
  panel.append(title, grid);
  return panel;
}

function drawSwitch(panel, found, ports) {
  dress(panel, `switch ${found.state}`);
  const about = [found.model, count(ports.length, "port"), found.state === "out" ? "out of service" : ""];
  put(panel.querySelector(".about"), about.filter(Boolean).join(" · "));
  put(panel.querySelector(".note"), [found.note, found.drift].filter(Boolean).join("; "));
  const grid = panel.lastElementChild;
  note(grid, "aria-label", `ports of ${found.name}`);
  const layout = `${narrow.matches} ${ports.map(byId).join(" ")}`;
  if (panel.layout !== layout) {
    panel.layout = layout;
    lay(grid, ports);
  }
  for (const port of ports) drawPort(grid.cells.get(port.id), port);
}

// Ports in blocks, one for each module of the switch. What is too wide goes below.
function lay(grid, ports) {
  const cells = grid.cells ?? new Map();
  const focused = document.activeElement?.dataset?.port;
  const rows = ports.length <= 12 ? 1 : 2;
  grid.cells = new Map(ports.map((port) => [port.id, cells.get(port.id) ?? newPort(port)]));
  const modules = new Map(ports.map((port) => [port.module, []]));
  for (const port of ports) modules.get(port.module).push(port);
  const blocks = [...modules.values()].flatMap((those) => folded(those, rows, narrow.matches ? 10 : WIDEST));
  grid.replaceChildren(...(blocks.length ? blocks.map((block) => newBlock(block, rows, grid.cells)) : [emptyRow()]));
  const every = [...grid.cells.values()];
  if (every.length && !every.some((cell) => cell.tabIndex === 0)) every[0].tabIndex = 0;
  if (focused && grid.cells.has(focused)) grid.cells.get(focused).focus({preventScroll: true});
}

// Blocks of equal width, none with more than so many ports across.
function folded(ports, rows, across) {
  const columns = Math.ceil(ports.length / rows);
  const size = Math.ceil(columns / Math.ceil(columns / across)) * rows;
  return Array.from({length: Math.ceil(ports.length / size)}, (_, place) => ports.slice(place * size, (place + 1) * size));
}

// Rows as on a real switch: two, with the first port above the second.
function newBlock(ports, rows, cells) {
  const block = make("div", ports.some((port) => port.label.length > LONG) ? "module long" : "module");
  block.setAttribute("role", "rowgroup");
  if (ports[0].module) block.dataset.name = ports[0].module;
  for (let row = 0; row < Math.min(rows, ports.length); row++) {
    const line = make("div", `row ${row ? "lower" : "upper"}`);
    line.setAttribute("role", "row");
    line.append(...ports.filter((_, place) => place % rows === row).map((port) => cells.get(port.id)));
    block.append(line);
  }
  return block;
}

function emptyRow() {
  const line = make("div", "row");
  line.setAttribute("role", "row");
  const cell = make("span", "about", "no port is registered");
  cell.setAttribute("role", "gridcell");
  line.append(cell);
  return line;
}

function newPort(port) {
  const cell = make("div");
  cell.setAttribute("role", "gridcell");
  cell.tabIndex = -1;
  cell.dataset.port = port.id;
  cell.dataset.name = port.label;
  return cell;
}

function drawPort(cell, port) {
  const group = groupOf(port);
  const moving = (group?.state === "deploying" && port.state === "joining") || port.state === "leaving";
  const drawn = `${port.state} ${group?.label} ${group?.colour} ${group?.pattern} ${group?.name} ${port.node} ${port.drift} ${port.carries} ${moving}`;
  if (cell.drawn === drawn) return;
  cell.drawn = drawn;
  const kind = group ? `${port.state === "parked" ? "" : " grouped"}${colours(group)}` : "";
  const state = cell.classList.contains("dim") ? " dim" : cell.classList.contains("chosen") ? " chosen" : "";
  dress(cell, `port ${port.state}${kind}${port.drift ? " drift" : ""}${moving ? " moving" : ""}${state}`);
  const bad = port.state === "failed" || port.state === "dirty";
  put(cell, group && !bad ? group.label : SIGNS[port.state] ?? "!");
  cell.setAttribute("aria-label", described(port, group));
  cell.title = described(port, group);
}

function described(port, group) {
  return [
    `port ${port.name}`, group ? `group ${group.name}` : "", WORDS[port.state] ?? port.state,
    port.node ? `node ${port.node} ${port.nic ?? ""}`.trim() : "", port.trunk ? `trunk ${port.trunk}` : "",
    port.carries, port.drift ? `differs: ${port.drift}` : "",
  ].filter(Boolean).join(", ");
}

function drawLegend() {
  const there = new Set();
  for (const port of rack.ports.values()) {
    if (!port.group || BESIDE.has(port.state)) there.add(port.state);
    if (port.drift) there.add("drift");
  }
  keep(one("legend"), LEGEND.filter((state) => there.has(state)), String, (state) => {
    const item = make("li");
    const letter = BESIDE.has(state) ? "A" : "";
    const sample = make("span", `port ${state}${letter && state !== "parked" ? " grouped" : ""}`, SIGNS[state] ?? letter);
    sample.setAttribute("aria-hidden", "true");
    item.append(sample, make("span", "", WORDS[state]));
    return item;
  });
}

// ---- machines

function machinesShown() {
  const nodes = list("nodes");
  if (nodes.length <= MANY_NODES) return nodes;
  const picked = chosen && relatives(chosen);
  return picked ? nodes.filter((node) => picked.nodes.has(node.id)).slice(0, MANY_NODES) : [];
}

function drawMachines() {
  const nodes = machinesShown();
  const every = rack.nodes.size;
  const free = list("nodes").filter((node) => node.state === "free").length;
  let about = `${count(every, "node")}, ${free.toLocaleString("en")} free`;
  if (nodes.length < every) about += chosen && nodes.length ? `; shown: ${nodes.length}` : "; choose a group, a switch or a port to see its machines";
  else if (cables() > MANY_LINES && !narrow.matches) about += "; point at a machine, or choose a group, to see its lines";
  put(one("machines-about"), every ? about : "no node is registered");
  keep(one("headnodes"), list("headnodes"), byId, (head) => newChip("headnodes", head), drawChip);
  keep(one("nodes"), nodes, byId, (node) => newChip("nodes", node), drawChip);
}

// How many lines it takes to show how the groups' machines are connected.
function cables() {
  const ends = (machines) => machines.reduce((sum, machine) => sum + (machine.group ? machine.ports.length : 0), 0);
  return ends(list("nodes")) + ends(list("headnodes"));
}

function newChip(kind, machine) {
  const item = make("li");
  const chip = make("button", "chip");
  chip.type = "button";
  chip.dataset.kind = kind;
  chip.dataset.id = machine.id;
  chip.append(make("span", "badge"), make("span", "label", machine.name), make("span", "state"));
  item.append(chip);
  return item;
}

function drawChip(item, machine) {
  const chip = item.firstElementChild;
  const group = groupOf(machine);
  const head = chip.dataset.kind === "headnodes";
  const picked = chip.classList.contains("chosen") ? " chosen" : "";
  dress(chip, `chip${head ? " head" : ""} ${machine.state}${picked}`);
  const [badge, , state] = chip.children;
  dress(badge, `badge${colours(group)}`);
  put(badge, group ? group.label : head ? "H" : "–");
  note(badge, "aria-hidden", "true");
  put(state, machine.state === "joined" ? "" : WORDS[machine.state] ?? machine.state);
  note(chip, "aria-label", `${head ? "head node" : "node"} ${machine.name}, ${group ? `group ${group.name}, ` : ""}${machine.state}`);
}

// ---- the side

// What an empty list says to who sees everything, and to others.
function drawNone(kind, noun) {
  one(`no-${kind}`).hidden = rack[kind].size > 0;
  put(one(`no-${kind}`), rack.rack.get("rack")?.sees === false ? `no ${noun} that you may see` : `no ${noun} yet`);
}

function drawGroups() {
  drawNone("groups", "group");
  keep(one("groups"), list("groups"), byId, (group) => {
    const item = make("li");
    const button = make("button");
    button.type = "button";
    button.dataset.kind = "groups";
    button.dataset.id = group.id;
    button.append(make("span", "badge"), make("span", "title", group.name), make("span", "state"), make("span", "about"));
    item.append(button);
    return item;
  }, (item, group) => {
    const button = item.firstElementChild;
    const [badge, , state, about] = button.children;
    dress(badge, `badge${colours(group)}`);
    put(badge, group.label);
    note(badge, "aria-hidden", "true");
    put(state, group.error ? "error" : group.drift.length ? "differs" : group.pending && group.state === "deployed" ? "changes staged" : group.state);
    const bad = group.error || group.drift.length || group.state === "failed";
    const moving = group.state === "deploying" || group.state === "destroying";
    dress(state, `state ${bad ? "bad" : moving ? "moving" : group.state === "deployed" ? "good" : ""}`);
    const vlans = group.networks.map((network) => network.vlan).filter(Boolean).join(", ");
    put(about, [vlans && `VLAN ${vlans}`, count(group.nodes.length, "node"), group.headnode, until(group.expires)].filter(Boolean).join(" · "));
    note(button, "aria-pressed", String(chosen?.kind === "groups" && chosen.id === group.id));
  });
}

function drawDescriptions() {
  one("described").hidden = rack.pools.size === 0;
  keep(one("pools"), list("pools"), byId, (pool) => {
    const item = make("li");
    const way = make("a", "title", pool.name);
    way.href = `/descriptions#/${encodeURIComponent(pool.name)}`;
    item.append(way, make("span", "state"), make("span", "about"));
    return item;
  }, (item, pool) => {
    const [, state, about] = item.children;
    put(state, pool.state);
    dress(state, `state ${pool.error ? "bad" : pool.job ? "moving" : pool.state === "running" ? "good" : ""}`);
    put(about, pool.error || `${count(pool.components, "component")}, ${count(pool.domains, "domain")}`);
  });
}

function drawJobs() {
  const jobs = list("jobs").reverse();
  one("no-jobs").hidden = jobs.length > 0;
  keep(one("jobs"), jobs, byId, (job) => {
    const item = make("li");
    const title = make("div", "title");
    title.append(make("span", "what", `${job.kind} ${job.subject.replace(":", " ")}`), make("span", "state"));
    const bar = make("progress");
    bar.setAttribute("aria-label", `progress of job ${job.id}`);
    item.dataset.job = job.id;
    item.append(title, bar, make("div", "step"));
    return item;
  }, (item, job) => {
    const [title, bar, step] = item.children;
    const going = job.state === "queued" || job.state === "running";
    put(title.lastChild, `${job.state}${job.total ? ` ${job.done}/${job.total}` : ""}`);
    dress(title.lastChild, `state ${job.state === "failed" ? "bad" : job.state === "done" ? "good" : going ? "moving" : ""}`);
    bar.max = Math.max(1, job.total);
    if (going && !job.total) bar.removeAttribute("value");
    else bar.value = job.state === "done" ? bar.max : job.done;
    put(step, job.error || (going ? job.step : ""));
  });
}

let heard = false; // no event is new on a page that was just opened

function drawEvents() {
  drawNone("events", "event");
  keep(one("events"), list("events").reverse(), byId, (event) => {
    const item = make("li", heard ? "new" : "");
    item.dataset.event = event.id;
    const words = [event.detail, event.who && `by ${event.who}`].filter(Boolean).join(" · ");
    item.append(make("span", "at", moment(event.time)), make("b", "", `${event.subject} `), `${event.what} `, make("span", "quiet", words));
    return item;
  });
  heard = true;
}

function drawTrouble() {
  const found = [];
  const tell = (kind, thing, words) => words && found.push({id: `${kind}/${thing.id}/${words}`, kind, thing, words});
  for (const [kind, noun] of [["switches", "switch"], ["hosts", "host"], ["nodes", "node"], ["headnodes", "head node"]]) {
    for (const thing of rack[kind].values()) {
      if (thing.note) tell(kind, thing, `${noun} ${thing.name}: ${thing.note}`);
    }
  }
  for (const group of rack.groups.values()) {
    if (group.error) tell("groups", group, `group ${group.name}: ${group.error}`);
    for (const words of group.drift) tell("groups", group, `group ${group.name} differs: ${words}`);
  }
  const told = new Set(list("groups").flatMap((group) => group.drift));
  for (const port of rack.ports.values()) {
    if (port.drift && !told.has(port.drift)) tell("ports", port, `port ${port.id} differs: ${port.drift}`);
  }
  for (const words of rack.rack.get("rack")?.drift ?? []) tell("rack", {id: "rack"}, words);
  one("trouble").hidden = !found.length;
  keep(one("troubles"), found, byId, ({kind, thing, words}) => {
    const item = make("li");
    const button = make("button", "", words);
    button.type = "button";
    button.dataset.kind = kind;
    button.dataset.id = thing.id;
    item.append(button);
    return item;
  });
}

function drawAbout() {
  const {daemon, who, sees, audited} = rack.rack.get("rack") ?? {};
  const parts = [daemon, count(rack.switches.size, "switch").replace("switchs", "switches"), count(rack.ports.size, "port"), count(rack.nodes.size, "node"), count(rack.groups.size, "group"), who && `seen as ${who}`, audited && `audited ${moment(audited)}`];
  put(one("about"), parts.filter(Boolean).join(" · ") + (sees === false ? " (names and availability, and your own groups)" : ""));
}

// ---- what is chosen, what is looked for

// What belongs to a thing: ports, machines and groups, by id.
function relatives({kind, id}) {
  const found = {ports: new Set(), nodes: new Set(), headnodes: new Set(), groups: new Set()};
  const ofGroup = (name) => {
    found.groups.add(name);
    for (const port of rack.ports.values()) if (port.group === name) found.ports.add(port.id);
    for (const kind of ["nodes", "headnodes"]) {
      for (const machine of rack[kind].values()) {
        if (machine.group !== name) continue;
        found[kind].add(machine.id);
        for (const port of machine.ports) found.ports.add(port);
      }
    }
  };
  const thing = rack[kind]?.get(id);
  if (!thing) return found;
  if (kind === "groups") ofGroup(id);
  else if (kind === "switches") {
    for (const port of rack.ports.values()) {
      if (port.switch !== id) continue;
      found.ports.add(port.id);
      if (port.node) found.nodes.add(port.node);
    }
  } else if (kind === "ports") {
    found.ports.add(id);
    const trunk = rack.trunks.get(thing.trunk ?? "");
    for (const end of trunk?.ports ?? []) found.ports.add(end);
    for (const head of rack.headnodes.values()) if (head.ports.includes(id)) found.headnodes.add(head.id);
    if (thing.node) found.nodes.add(thing.node);
    if (thing.group) found.groups.add(thing.group);
  } else if (found[kind]) {
    found[kind].add(id);
    for (const port of thing.ports) found.ports.add(port);
    if (thing.group) found.groups.add(thing.group);
  }
  return found;
}

const FILTERS = {
  free: (port) => port.state === "free",
  groups: (port) => port.group,
  moving: (port) => port.state === "joining" || port.state === "leaving",
  trouble: (port) => port.drift || ["failed", "dirty", "out", "unverified"].includes(port.state),
};

function wanted() {
  const words = one("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const filter = FILTERS[one("filter").value];
  if (!words.length && !filter) return null;
  const found = new Set();
  for (const port of rack.ports.values()) {
    if (filter && !filter(port)) continue;
    const texts = [port.switch, port.name, port.id, port.group, port.node, port.trunk, port.state, port.vlan, ...port.tagged].filter((text) => text !== null).map((text) => String(text).toLowerCase());
    if (words.every((word) => texts.some((text) => (text.length < 6 ? text === word || (word.length > 1 && text.startsWith(word)) : text.includes(word))))) found.add(port.id);
  }
  return found;
}

function highlight() {
  const active = pointed ?? chosen;
  const picked = active && relatives(active);
  const matching = wanted();
  for (const panel of one("switches").children) {
    for (const [id, cell] of panel.lastElementChild.cells ?? []) {
      const dim = (picked && !picked.ports.has(id)) || (matching && !matching.has(id));
      cell.classList.toggle("dim", Boolean(dim));
      cell.classList.toggle("chosen", chosen?.kind === "ports" && chosen.id === id);
    }
  }
  for (const chip of document.querySelectorAll(".chip")) {
    chip.classList.toggle("chosen", chosen?.kind === chip.dataset.kind && chosen.id === chip.dataset.id);
  }
  put(one("found"), matching ? `${matching.size.toLocaleString("en")} of ${count(rack.ports.size, "port")}` : "");
  drawLines(picked);
}

function choose(thing, focus = false) {
  chosen = thing;
  pointed = null;
  drawGroups();
  drawMachines();
  drawDetails();
  highlight();
  if (focus && thing) one("details").focus({preventScroll: !narrow.matches});
}

function drawDetails() {
  const thing = chosen && rack[chosen.kind].get(chosen.id);
  one("details").hidden = !thing;
  if (!thing) return;
  const nouns = {groups: "Group", switches: "Switch", ports: "Port", nodes: "Node", headnodes: "Head node", hosts: "Host"};
  put(one("details-title"), `${nouns[chosen.kind]} ${chosen.kind === "ports" ? thing.id : thing.name}`);
  const pairs = facts(chosen.kind, thing).filter(([, text]) => text !== "" && text !== null && text !== undefined);
  keep(one("facts"), pairs.flatMap(([label, text]) => [{id: `${label}:`, text: label, tag: "dt"}, {id: label, text: String(text), tag: "dd"}]), byId, ({tag}) => make(tag), (element, {text}) => put(element, text));
  const links = relations(chosen.kind, thing);
  keep(one("links"), links, ({kind, id}) => `${kind}/${id}`, ({kind, id, words}) => {
    const button = make("button", "link", words);
    button.type = "button";
    button.dataset.kind = kind;
    button.dataset.id = id;
    return button;
  });
}

function facts(kind, thing) {
  const group = groupOf(thing);
  const common = [["Trouble", thing.note], ["Differs", Array.isArray(thing.drift) ? thing.drift.join("; ") : thing.drift]];
  const ports = (thing.ports ?? []).join(", ");
  switch (kind) {
    case "groups": return [["State", thing.state + (thing.pending ? ", changes staged" : "")], ["Error", thing.error], ["Networks", thing.networks.map((network) => `${network.name}: VLAN ${network.vlan ?? "none"}`).join(", ")], ["Nodes", some(thing.nodes)], ["Head node", thing.headnode], ["Owner", thing.owner], ["Lease", until(thing.expires)], ...common];
    case "switches": return [["State", thing.state === "ok" ? "in service" : thing.state === "out" ? "out of service" : "in trouble"], ["Model", thing.model], ["Read", thing.read_at && `${span(Math.max(0, Date.now() / 1000 - thing.read_at))} ago`], ...common];
    case "ports": return [["State", WORDS[thing.state] ?? thing.state], ["Group", group && `${group.name} (${group.label})`], ["Node", thing.node && `${thing.node} ${thing.nic ?? ""}`], ["Trunk", thing.trunk], ["Carries", thing.carries], ...common];
    case "nodes": return [["State", WORDS[thing.state] ?? thing.state], ["Group", group?.name], ["Ports", ports], ...common];
    case "headnodes": return [["State", WORDS[thing.state] ?? thing.state], ["Group", group?.name], ["Host", thing.host], ["Running", thing.running === null || thing.running === undefined ? "" : thing.running ? "yes" : "no"], ["Reached through", ports], ...common];
    default: return [["State", thing.state], ["Reached through", ports], ...common];
  }
}

function relations(kind, thing) {
  const found = [];
  const link = (kind, id, words) => id && rack[kind].has(id) && found.push({kind, id, words});
  if (kind === "ports") link("switches", thing.switch, `switch ${thing.switch}`);
  if (thing.group) link("groups", thing.group, `group ${thing.group}`);
  if (kind === "ports" && thing.node) link("nodes", thing.node, `node ${thing.node}`);
  if (kind === "groups" && thing.headnode) link("headnodes", thing.headnode, `head node ${thing.headnode}`);
  if (kind === "nodes" || kind === "headnodes") for (const port of thing.ports) link("ports", port, `port ${port}`);
  return found;
}

// ---- lines

// From each machine to its ports. Of what is pointed at or chosen they lie in front; else, where there are few, all
// of them lie behind the face plates, as cables do.
function drawLines(picked) {
  const ends = [];
  const few = rack.nodes.size <= MANY_NODES && cables() <= MANY_LINES;
  if (!narrow.matches && (picked || few)) {
    const box = one("rack").getBoundingClientRect();
    const dock = one("machines").getBoundingClientRect();
    for (const chip of document.querySelectorAll("#machines .chip")) {
      const {kind, id} = chip.dataset;
      const machine = rack[kind].get(id);
      if (!machine || (picked ? !picked[kind]?.has(id) : !machine.group)) continue;
      for (const port of machine.ports) {
        if (picked && !picked.ports.has(port)) continue;
        const cell = cellOf(port);
        if (cell) ends.push({cell, chip, machine, kind, box, dock});
      }
    }
  }
  const [front, behind] = [one("front"), one("behind")];
  (picked ? front : behind).replaceChildren(...ends.map(line));
  (picked ? behind : front).replaceChildren();
  front.classList.toggle("crowd", ends.length > 16);
}

function line({cell, chip, machine, kind, box, dock}) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const [from, to] = [cell.getBoundingClientRect(), chip.getBoundingClientRect()];
  // Down between two ports to the lower edge of the face plate, so that no letter is crossed.
  const [x1, y1] = [from.left - 1 - box.left, from.bottom - 3 - box.top];
  const below = cell.closest(".switch").getBoundingClientRect().bottom - box.top;
  const x2 = to.left + Math.min(14, to.width / 2) - box.left;
  const y2 = Math.min(Math.max(to.top, dock.top), dock.bottom) - box.top;
  const bend = Math.max(18, Math.abs(y2 - below) * 0.5);
  path.setAttribute("d", `M${x1} ${y1}V${below}C${x1} ${below + bend} ${x2} ${y2 - bend} ${x2} ${y2}`);
  path.setAttribute("class", `${kind === "headnodes" ? "head" : ""}${colours(groupOf(machine))}`);
  return path;
}

function cellOf(port) {
  const found = rack.ports.get(port);
  const panel = found && one("switches").known?.get(found.switch);
  return panel?.lastElementChild.cells?.get(port);
}

let planned = false;

function drawLinesSoon() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    const active = pointed ?? chosen;
    drawLines(active && relatives(active));
  });
}

// ---- keyboard and pointer

// The thing that an element stands for.
function thingAt(target) {
  const port = target.closest?.("#switches [data-port]");
  if (port) return {kind: "ports", id: port.dataset.port};
  const other = target.closest?.("[data-kind]");
  if (other) return {kind: other.dataset.kind, id: other.dataset.id};
  const title = target.closest?.(".switch .title");
  return title && {kind: "switches", id: title.parentElement.dataset.switch};
}

function leave() {
  const back = comeBack;
  choose(null);
  if (back?.isConnected) back.focus();
  comeBack = null;
}

document.addEventListener("click", (event) => {
  if (event.target.id === "close") return leave();
  const thing = thingAt(event.target);
  if (!thing) return;
  const cell = event.target.closest("#switches [data-port]");
  if (cell) step(cell);
  const inside = event.target.closest("#details");
  if (!inside) comeBack = document.activeElement;
  const same = chosen && chosen.kind === thing.kind && chosen.id === thing.id;
  choose(same ? null : thing, Boolean(inside));
});

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("#switches [data-port]");
  if (event.key === "Escape") {
    if (event.target.id === "search" && event.target.value) return;
    if (chosen) leave();
  } else if (cell && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    comeBack = cell;
    choose({kind: "ports", id: cell.dataset.port}, true);
  } else if (cell) walk(event, cell);
  else if (event.target.id === "search" && event.key === "Enter") {
    const first = [...(wanted() ?? [])][0];
    if (first) step(cellOf(first));
  }
});

// By movement, not by what comes under a pointer that rests.
document.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const thing = thingAt(event.target);
  if (thing?.kind === pointed?.kind && thing?.id === pointed?.id) return;
  pointed = thing && thing.kind !== "hosts" ? thing : null;
  highlight();
});

one("search").addEventListener("input", highlight);
one("filter").addEventListener("change", highlight);
addEventListener("scroll", drawLinesSoon, {passive: true});
addEventListener("resize", drawLinesSoon);
one("machines").addEventListener("scroll", drawLinesSoon, {passive: true});
narrow.addEventListener("change", draw);

// ---- the picture

function draw() {
  drawAbout();
  drawSwitches();
  drawLegend();
  drawMachines();
  drawGroups();
  drawDescriptions();
  drawJobs();
  drawEvents();
  drawTrouble();
  drawDetails();
  highlight();
}

function take(message) {
  for (const [kind, structs] of Object.entries(message.all ?? {})) {
    rack[kind] = new Map(structs.map((struct) => [struct.id, struct]));
  }
  for (const [kind, structs] of Object.entries(message.set ?? {})) {
    for (const struct of structs) rack[kind].set(struct.id, struct);
  }
  if (chosen && !rack[chosen.kind].has(chosen.id)) chosen = null;
  draw();
}

const link = new Link(take, () => tellLive(link, rack.rack.get("rack")));

setInterval(() => { drawGroups(); drawDetails(); }, 30000); // what tells how long

keepToken();
history.replaceState(null, "", "/"); // the token is used, and nobody's business
await link.fetch();
requestAnimationFrame(() => setTimeout(() => performance.mark("first-picture"))); // it has been painted
link.listen();
