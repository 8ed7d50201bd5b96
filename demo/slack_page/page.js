"use strict";
// Dates in the reader's zone, one conversation at a time, and new messages as they come. Without it all of them
// stand below one another with their UTC times.
(() => {
  const body = document.body;
  const byId = (id) => document.getElementById(id);
  const sidebar = byId("sidebar"), stream = byId("stream"), scroller = byId("scroller"), notice = byId("notice");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const format = (options) => new Intl.DateTimeFormat("en-US", { timeZone: zone, ...options });
  const day = format({ year: "numeric", month: "2-digit", day: "2-digit" });
  const short = format({ year: "numeric", month: "short", day: "numeric" });
  const weekday = format({ weekday: "long" });
  const dividerDay = format({ weekday: "long", month: "long", day: "numeric" });
  const clock = new Intl.DateTimeFormat(navigator.language, { timeZone: zone, hour: "numeric", minute: "2-digit" });
  const clockWithSeconds = new Intl.DateTimeFormat(navigator.language, { timeZone: zone, hour: "numeric", minute: "2-digit", second: "2-digit" });
  const full = format({ dateStyle: "full", timeStyle: "long" });

  const long = (date) => {
    const parts = Object.fromEntries(format({ year: "numeric", month: "long", day: "numeric" }).formatToParts(date).map((part) => [part.type, part.value]));
    const number = Number(parts.day);
    const ending = number > 10 && number < 14 ? "th" : ["th", "st", "nd", "rd"][number % 10] || "th";
    return `${parts.month} ${number}${ending}, ${parts.year}`;
  };
  const numeric = (date) => day.format(date).replace(/(\d+)\/(\d+)\/(\d+)/, "$3-$1-$2");
  const pretty = (date, otherwise) => {
    const now = Number(body.dataset.now) * 1000;
    const nearby = [["today", 0], ["yesterday", -86400e3], ["tomorrow", 86400e3]];
    const found = nearby.find(([, distance]) => day.format(new Date(now + distance)) === day.format(date));
    return found ? found[0] : otherwise;
  };
  const shown = {
    date_num: numeric,
    date: long,
    date_short: (date) => short.format(date),
    date_long: (date) => `${weekday.format(date)}, ${long(date)}`,
    date_pretty: (date) => pretty(date, long(date)),
    date_short_pretty: (date) => pretty(date, short.format(date)),
    date_long_pretty: (date) => pretty(date, `${weekday.format(date)}, ${long(date)}`),
    time: (date) => clock.format(date),
    time_secs: (date) => clockWithSeconds.format(date),
  };

  function localize() {
    for (const element of stream.querySelectorAll("time[data-unix]")) {
      const seconds = Number(element.dataset.unix);
      if (!element.dataset.unix || !Number.isSafeInteger(seconds) || seconds > 8.64e12) continue;
      const date = new Date(seconds * 1000);
      element.dateTime = date.toISOString();
      element.title = full.format(date);
      const pattern = element.dataset.pattern;
      if (pattern === undefined) element.textContent = clock.format(date);
      else if (pattern) element.textContent = pattern.replace(/\{(\w+)\}/g, (all, name) => (name in shown ? shown[name](date) : all));
    }
  }

  function divideDays() {
    for (const old of stream.querySelectorAll(".day, .day-line")) old.remove();
    let last = "";
    for (const article of stream.querySelectorAll("article:not([hidden])")) {
      const date = new Date(Number(article.dataset.unix) * 1000);
      if (day.format(date) === last) continue;
      last = day.format(date);
      const divider = document.createElement("div");
      divider.className = "day";
      divider.append(Object.assign(document.createElement("span"), { textContent: dividerDay.format(date) }));
      // The line stays where the day begins; the day's name stays in sight while one reads on.
      article.before(Object.assign(document.createElement("div"), { className: "day-line" }), divider);
    }
  }

  function choose() {
    const wanted = decodeURIComponent(location.hash.slice(1)) || "all";
    const items = [...sidebar.querySelectorAll(".item")];
    const item = items.find((each) => each.dataset.conversation === wanted) || items[0];
    const chosen = item.dataset.conversation;
    for (const each of items) each === item ? each.setAttribute("aria-current", "page") : each.removeAttribute("aria-current");
    for (const article of stream.querySelectorAll("article")) article.hidden = chosen !== "all" && article.dataset.conversation !== chosen;
    stream.classList.toggle("one", chosen !== "all");
    const isChannel = item.querySelector(".sign")?.textContent === "#";
    byId("title").textContent = (isChannel ? "# " : "") + item.querySelector(".name").textContent;
    divideDays();
  }

  const toEnd = () => { scroller.scrollTop = scroller.scrollHeight; };
  byId("zone").textContent = `${zone} time`;
  addEventListener("hashchange", () => { choose(); toEnd(); });
  localize();
  choose();
  if (!("live" in body.dataset)) return;
  toEnd();

  async function ask() {
    let wait = 700;
    try {
      const answer = await fetch(`messages.json?version=${encodeURIComponent(body.dataset.version)}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      const fresh = await answer.json();
      notice.hidden = true;
      body.dataset.now = fresh.now;
      if (fresh.version !== body.dataset.version) {
        // Who reads further up stays where they are; who reads the newest goes along.
        const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;
        const top = scroller.scrollTop;
        body.dataset.version = fresh.version;
        sidebar.innerHTML = fresh.sidebar;
        stream.innerHTML = fresh.stream;
        localize();
        choose();
        if (atEnd) toEnd(); else scroller.scrollTop = top;
      }
    } catch {
      notice.textContent = "No connection to this Slack: it is down, or the demo has ended. Below is what was sent until then.";
      notice.hidden = false;
      wait = 3000;
    }
    setTimeout(ask, wait);
  }
  setTimeout(ask, 700);
})();
