// What the pages are built with: words and signs of states, elements that change only where they must,
// texts, and the keyboard's way over the ports of a face plate.

export const SIGNS = {free: "·", unused: "", taken: "•", trunk: "=", unverified: "?", out: "×", failed: "!", dirty: "%"};
export const WORDS = {
  free: "free", unused: "nothing connected", taken: "in use", trunk: "trunk", unverified: "unverified",
  out: "out of service", failed: "failed", dirty: "dirty", joining: "joining", leaving: "leaving",
  parked: "in a group, isolated", joined: "joined", drift: "differs from what nm deployed",
};
export const LEGEND = [
  "free", "unused", "unverified", "trunk", "taken", "out", "joining", "leaving", "parked", "failed", "dirty", "drift",
];
// What a port in a group is told by beside its group's letter.
export const BESIDE = new Set(["joining", "leaving", "parked", "failed", "dirty"]);

export function make(tag, classes = "", text = "") {
  const element = document.createElement(tag);
  if (classes) element.className = classes;
  if (text) element.textContent = text;
  return element;
}

// Set only what differs: a page of 2,000 ports is not laid out anew for nothing.
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function dress(element, classes) {
  if (element.className !== classes) element.className = classes;
}

export function note(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

// The children of `parent` are one element for each thing, in their order. Elements stay as long as their thing.
export function keep(parent, things, key, create, update) {
  const known = (parent.known ??= new Map());
  const wanted = new Set();
  let place = parent.firstElementChild;
  for (const thing of things) {
    const id = key(thing);
    wanted.add(id);
    let element = known.get(id);
    if (!element) {
      element = create(thing);
      known.set(id, element);
    }
    if (element !== place) parent.insertBefore(element, place);
    else place = place.nextElementSibling;
    if (update) update(element, thing);
  }
  for (const [id, element] of known) {
    if (!wanted.has(id)) {
      element.remove();
      known.delete(id);
    }
  }
}

export const byId = (struct) => struct.id;

export const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

// The time of day; of another day than today with its date.
export function moment(seconds) {
  const then = new Date(seconds * 1000);
  const day = then.toDateString() === new Date().toDateString() ? "" : `${then.toLocaleDateString("en-CA")} `;
  return day + then.toLocaleTimeString("en-GB");
}

export function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const [unit, size] = units.find(([, size]) => seconds >= size) ?? units[3];
  return `${Math.floor(seconds / size)} ${unit}`;
}

export function some(names) {
  const more = names.length > 12 ? ` and ${names.length - 12} more` : "";
  return names.slice(0, 12).join(", ") + more || "none";
}

export function until(seconds) {
  if (seconds === null) return "";
  const left = seconds - Date.now() / 1000;
  return left > 0 ? `ends in ${span(left)}` : "its end has come";
}

// Whether what is shown is true, and if not, since when. `rack`: the picture's struct of that.
export function tellLive(link, {trouble, as_of: asOf} = {}) {
  const [mark, banner] = ["live", "banner"].map((id) => document.getElementById(id));
  const words = link.trouble || trouble || "";
  const since = moment(trouble ? asOf : link.trueAt);
  put(mark, words ? `old, of ${since}` : link.open ? "live" : "connecting");
  dress(mark, link.open && !words ? "" : "lost");
  banner.hidden = !words;
  put(banner, words && `${words}; what is shown is of ${since}`);
}

// Go where the key leads; whether it leads anywhere.
export function walk(event, cell) {
  const grid = cell.closest("[role=grid]");
  const rows = [...grid.querySelectorAll("[role=row]")].map((row) => [...row.querySelectorAll("[role=gridcell]")]);
  const y = rows.findIndex((row) => row.includes(cell));
  const x = rows[y].indexOf(cell);
  const at = (row, column) => rows[row]?.[Math.min(column, rows[row].length - 1)];
  const steps = {
    ArrowLeft: () => rows[y][x - 1], ArrowRight: () => rows[y][x + 1],
    ArrowUp: () => at(y - 1, x), ArrowDown: () => at(y + 1, x),
    Home: () => (event.ctrlKey ? rows[0][0] : rows[y][0]),
    End: () => (event.ctrlKey ? rows.at(-1).at(-1) : rows[y].at(-1)),
    PageUp: () => beside(grid, -1), PageDown: () => beside(grid, 1),
  };
  if (!(event.key in steps)) return false;
  const next = steps[event.key]();
  if (next) step(next);
  event.preventDefault();
  return true;
}

// The port that the keyboard stands on in the next switch, or the one before.
function beside(grid, way) {
  const panels = [...grid.parentElement.parentElement.children];
  const other = panels[panels.indexOf(grid.parentElement) + way];
  return other?.querySelector("[role=gridcell][tabindex='0']");
}

export function step(cell) {
  for (const other of cell.closest("[role=grid]").querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
}
