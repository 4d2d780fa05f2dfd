// The page's way to the server: the picture whole, then what changes, and whether both still come.

const SILENCE = 7000;  // ms without a word from the server, which says something every other second
const AGAIN = 5000;    // ms until a page that was turned away asks again
const TROUBLE = {
  silent: "no answer from nmctl web: it has ended, or hangs",
  crowded: "too many pages are open: this one looks every few seconds only",
  ended: "nmctl web does not let this page in any more: start it again, and open its new link",
};

export class Link {
  // `take` is given pictures and changes, `tell` is called whenever something may be told differently.
  constructor(take, tell) {
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
    const source = this.source = new EventSource(`/live?after=${this.revision}`);
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
    const answer = await fetch("/picture.json").catch(() => null);
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
