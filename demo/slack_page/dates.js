"use strict";
// Dates in the reader's zone. Without scripts they are the UTC times that the server wrote.
const dates = (() => {
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
    const now = Number(document.body.dataset.now) * 1000;
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

  function localize(root) {
    for (const element of root.querySelectorAll("time[data-unix]")) {
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

  return { zone, localize, day: (date) => day.format(date), dividerDay: (date) => dividerDay.format(date) };
})();
