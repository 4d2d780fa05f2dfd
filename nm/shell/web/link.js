// The pages' way to the server: the picture whole, then what changes, and whether both still come; questions of a
// page's own; and attributes that are changed.

const SILENCE = 7000;  // ms without a word from the server, which says something every other second
const AGAIN = 5000;    // ms until a page that was turned away asks again
const TROUBLE = {
  silent: "no answer from nmctl web: it has ended, or hangs",
  crowded: "too many pages are open: this one looks every few seconds only",
  ended: "nmctl web does not let this page in any more: start it again, and open its new link",
};

export class Link {
  // `take` is given pictures and changes, `tell` is called whenever something may be told differently. `only`: the
  // kinds of things that the page wants, with , between them; else all.
  constructor(take, tell, only = "") {
    this.only = only && `only=${only}`;
    this.take = take;
    this.tell = tell;
    this.revision = 0;
    this.open = false;                // changes come
    this.trouble = "";                // why they do not
    this.trueAt = Date.now() / 1000;  // when the server last said that the page has its newest picture
    document.addEventListener("visibilitychange", () => this.listen());
  }

  // Follow the changes. A browser keeps six connections to one server: hidden pages leave theirs to others.
  listen() {
    this.source?.close();
    clearTimeout(this.timer);
    if (document.hidden) return this.become(false);
    const source = this.source = new EventSource(`/live?after=${this.revision}&${this.only}`);
    this.expect();
    source.onmessage = (event) => {
      this.expect();
      this.receive(JSON.parse(event.data));
      this.become(true);
    };
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return this.become(false, "silent"); // the browser tries again
      clearTimeout(this.timer);
      this.ask();
    };
  }

  // Try again when there is no word for long.
  expect() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.become(false, "silent");
      this.listen();
    }, SILENCE);
  }

  // The server has turned the page away: for good, or because too many listen. Then the page looks now and then.
  async ask() {
    const status = await this.fetch();
    this.become(false, status === 403 ? "ended" : status === 200 ? "crowded" : "silent");
    if (status !== 403) this.timer = setTimeout(() => this.listen(), AGAIN);
  }

  // Take the picture whole; the answer's status, 0 when there is none.
  async fetch() {
    const answer = await fetch(`/picture.json?${this.only}`).catch(() => null);
    if (answer?.ok) {
      const {revision, picture} = await answer.json();
      this.receive({revision, all: picture});
    }
    return answer?.status ?? 0;
  }

  receive({revision, ...told}) {
    this.trueAt = Date.now() / 1000;
    if (!revision) return; // nothing has changed
    this.revision = revision;
    if (told.all || told.set) this.take(told);
  }

  become(open, trouble = "") {
    this.open = open;
    this.trouble = TROUBLE[trouble] ?? "";
    this.tell();
  }
}

// ---- questions and changes: answers are {ok, result} or {ok, error: {message, hint}}

const LOST = {ok: false, error: {message: TROUBLE.silent, hint: ""}};
const LOOKING = {message: "this page may only look", hint: "open the link of a new `nmctl web`"};
const TOKEN = "write";

// Keep what changes are made by, which only the answer to the link tells.
export function keepToken() {
  const given = document.querySelector("meta[name=write]")?.content;
  if (given) localStorage.setItem(TOKEN, given);
}

export const mayWrite = () => localStorage.getItem(TOKEN) !== null;

export async function ask(path, parameters) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`).catch(() => null);
  return answer?.ok ? answer.json() : LOST;
}

export async function change(asked) {
  const headers = {"Content-Type": "application/json", "X-Nm-Write": localStorage.getItem(TOKEN) ?? ""};
  const answer = await fetch("/attribute", {method: "POST", headers, body: JSON.stringify(asked)}).catch(() => null);
  if (answer?.status === 403) return {ok: false, error: LOOKING};
  return answer?.ok ? answer.json() : LOST;
}

export const saidOf = ({message, hint}) => [message, hint].filter(Boolean).join("; ");
