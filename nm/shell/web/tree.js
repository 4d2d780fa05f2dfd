// The tree of a description's components: what is unfolded, drawn a line each, and the keyboard's way over it.
//
// It is flat: a line says by its level where it belongs, as WAI-ARIA's pattern of a tree has it.

import {make, put, dress, note, keep, count} from "/elements.js";

const STEP = 200; // components that are shown of what is inside one, and so many more each time

export class Tree {
  // `changed` is called when other components are to be shown, `choose` with the path of the one that is chosen.
  constructor(element, changed, choose) {
    this.element = element;
    this.changed = changed;
    this.choose = choose;
    this.unfolded = new Map(); // path to how many are shown of what is inside
    this.items = [];
    this.current = null;       // the id of the line that the keyboard stands on
    element.addEventListener("click", (event) => this.clicked(event));
    element.addEventListener("keydown", (event) => this.pressed(event));
  }

  forget() {
    this.unfolded.clear();
    this.current = null;
  }

  // `matches`: the rows are what was found, and no tree.
  draw({root, rows}, chosen, matches) {
    if (!this.unfolded.size) this.unfolded.set(root, STEP);
    this.items = matches ? rows.map((row, place) => ({id: row.path, row, level: 1, place, of: rows.length})) : this.unroll(rows);
    if (!this.items.some((item) => item.id === this.current)) this.current = this.items[0]?.id ?? null;
    const focused = document.activeElement?.closest?.("#tree [role=treeitem]")?.dataset.id;
    keep(this.element, this.items, (item) => item.id, newLine, (line, item) => this.drawLine(line, item, chosen, matches));
    const back = focused !== undefined && this.element.known.get(focused);
    if (back && document.activeElement !== back) back.focus({preventScroll: true});
  }

  // The rows as lines in their places, and a line for what is inside an unfolded one and not shown.
  unroll(rows) {
    const inside = new Map(rows.map((row) => [row.path, []]));
    for (const row of rows.slice(1)) inside.get(row.parent)?.push(row);
    const items = [];
    const add = (row, level, place, of) => {
      const those = inside.get(row.path);
      items.push({id: row.path, row, level, place, of});
      those.forEach((one, number) => add(one, level + 1, number, row.inside));
      const left = row.inside - those.length;
      if (those.length && left) items.push({id: `${row.path} `, more: row, left, level: level + 1, place: those.length, of: row.inside});
    };
    if (rows.length) add(rows[0], 1, 0, 1);
    return items;
  }

  drawLine(line, item, chosen, matches) {
    const {row, more} = item;
    note(line, "aria-level", String(item.level));
    note(line, "aria-posinset", String(item.place + 1));
    note(line, "aria-setsize", String(item.of));
    line.style.setProperty("--level", item.level);
    line.tabIndex = item.id === this.current ? 0 : -1;
    if (more) return put(line.lastElementChild, `${count(item.left, "component")} more`);
    const open = this.isOpen(row) && !matches;
    if (row.inside && !matches) note(line, "aria-expanded", String(open));
    else line.removeAttribute("aria-expanded");
    note(line, "aria-selected", String(row.path === chosen));
    dress(line, `line ${styleOf(row)}`);
    const [sign, name, kind, state, about] = line.children;
    put(sign, row.inside && !matches ? (open ? "▾" : "▸") : "");
    put(name, matches ? row.path : nameOf(row));
    put(kind, row.kind + (row.host ? ` on ${row.host}` : ""));
    put(state, row.doing ? `${row.state}, ${row.doing} is under way` : row.state);
    put(about, aboutOf(row, open));
  }

  isOpen(row) {
    return row.inside > 0 && (this.unfolded.get(row.path) ?? 0) > 0;
  }

  // ---- what somebody does

  itemOf(target) {
    const id = target.closest?.("[role=treeitem]")?.dataset.id;
    return this.items.find((item) => item.id === id);
  }

  clicked(event) {
    const item = this.itemOf(event.target);
    if (!item) return;
    this.go(item);
    if (item.more) this.showMore(item);
    else if (event.target.className === "sign" && item.row.inside) this.fold(item.row, this.isOpen(item.row));
    else this.choose(item.row.path, false);
  }

  pressed(event) {
    const item = this.itemOf(event.target);
    if (!item || event.ctrlKey || event.altKey || event.metaKey) return;
    const place = this.items.indexOf(item);
    const ways = {
      ArrowDown: () => this.go(this.items[place + 1]),
      ArrowUp: () => this.go(this.items[place - 1]),
      Home: () => this.go(this.items[0]),
      End: () => this.go(this.items.at(-1)),
      ArrowRight: () => this.into(item, place),
      ArrowLeft: () => this.out(item),
      Enter: () => (item.more ? this.showMore(item) : this.choose(item.row.path, true)),
      " ": () => (item.more ? this.showMore(item) : this.choose(item.row.path, true)),
    };
    if (!(event.key in ways)) return;
    event.preventDefault();
    ways[event.key]();
  }

  into(item, place) {
    if (item.more) return this.showMore(item);
    if (!item.row.inside) return;
    if (this.isOpen(item.row)) this.go(this.items[place + 1]);
    else this.fold(item.row, false);
  }

  out(item) {
    if (!item.more && this.isOpen(item.row)) return this.fold(item.row, true);
    const parent = item.more?.path ?? item.row.parent;
    this.go(this.items.find((one) => one.id === parent));
  }

  fold(row, away) {
    if (away) this.unfolded.set(row.path, 0);
    else this.unfolded.set(row.path, STEP);
    this.changed();
  }

  showMore(item) {
    const {path} = item.more;
    this.unfolded.set(path, (this.unfolded.get(path) ?? 0) + STEP);
    this.changed();
  }

  // Let the keyboard stand on that line.
  go(item) {
    if (!item) return;
    this.element.known.get(this.current)?.setAttribute("tabindex", "-1");
    this.current = item.id;
    const line = this.element.known.get(item.id);
    line.tabIndex = 0;
    line.focus();
  }
}

function newLine(item) {
  const line = make("div", "line more");
  line.setAttribute("role", "treeitem");
  line.dataset.id = item.id;
  const sign = make("span", "sign");
  sign.setAttribute("aria-hidden", "true");
  line.append(sign, ...(item.more ? [] : [make("span", "own"), make("span", "kind"), make("span", "state")]), make("span", "about"));
  return line;
}

// Its own name: what its path has behind that of what it is in.
function nameOf(row) {
  const before = row.parent && row.parent !== "sfConfig" ? `${row.parent}:` : "";
  return row.path.startsWith(before) ? row.path.slice(before.length) : row.path;
}

const bad = (row) => row.going === "abnormal" || row.notes.trouble || row.notes.unreachable;

function styleOf(row) {
  if (bad(row)) return "bad";
  if (row.doing || row.going || row.notes.drift) return "moving";
  return row.state === "running" ? "good" : "";
}

// What there is to say of it, and when it is folded of what is inside it.
function aboutOf(row, open) {
  const own = [row.waiting.length ? `${row.waiting.join(", ")} waits for the next start` : "", ...Object.values(row.notes)];
  const {components, running, busy, bad: wrong, waiting, drifted} = row.below;
  const inside = [
    count(components - 1, "component"), running < components && `${running} running`, busy && `${busy} busy`,
    wrong && `${wrong} in trouble`, waiting && `${waiting} waiting for a start`,
    drifted && `${drifted} changed by hand`,
  ];
  return [...own, ...(row.inside && !open ? inside : [])].filter(Boolean).join(" · ");
}
