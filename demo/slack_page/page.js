// One conversation at a time, and new messages as they come. Without scripts all of them stand below one another.
(() => {
  const body = document.body;
  const byId = (id) => document.getElementById(id);
  const sidebar = byId("sidebar"), stream = byId("stream"), scroller = byId("scroller"), notice = byId("notice");
  const asServed = new Map(); // article -> its HTML before anything here changed it

  function divideDays() {
    for (const old of stream.querySelectorAll(".day, .day-line")) old.remove();
    let last = "";
    for (const article of stream.querySelectorAll("article:not([hidden])")) {
      const date = new Date(Number(article.dataset.unix) * 1000);
      if (dates.day(date) === last) continue;
      last = dates.day(date);
      const divider = document.createElement("div");
      divider.className = "day";
      divider.append(Object.assign(document.createElement("span"), { textContent: dates.dividerDay(date) }));
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

  // Only what changed is replaced: a message that somebody writes into, or whose dialog is open, stays as it is.
  function renew(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    const articles = [...fresh.content.querySelectorAll("article")];
    const ids = new Set(articles.map((each) => each.id));
    for (const old of stream.querySelectorAll("article, .empty")) if (!ids.has(old.id)) { asServed.delete(old.id); old.remove(); }
    const focus = [];
    for (const article of articles) {
      const served = article.outerHTML, old = byId(article.id);
      if (asServed.get(article.id) === served) continue;
      asServed.set(article.id, served);
      if (old) {
        focus.push(clicks.carry(old, article));
        old.replaceWith(article);
      } else stream.append(article);
      dates.localize(article);
    }
    if (!articles.length) stream.replaceChildren(fresh.content);
    choose();
    clicks.paint();
    for (const restore of focus) restore();
  }

  const toEnd = () => { scroller.scrollTop = scroller.scrollHeight; };
  byId("zone").textContent = `${dates.zone} time`;
  addEventListener("hashchange", () => { choose(); toEnd(); });
  for (const article of stream.querySelectorAll("article")) asServed.set(article.id, article.outerHTML);
  dates.localize(stream);
  choose();
  clicks.paint();
  if (!("live" in body.dataset)) return;
  toEnd();

  let timer = 0;
  async function ask() {
    clearTimeout(timer);
    let wait = 700;
    try {
      const query = new URLSearchParams({ version: body.dataset.version, as: body.dataset.viewer || "" });
      const answer = await fetch(`messages.json?${query}`, { cache: "no-store" });
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
        renew(fresh.stream);
        if (atEnd) toEnd(); else scroller.scrollTop = top;
      }
    } catch {
      notice.textContent = "No connection to this Slack: it is down, or the demo has ended. Below is what was sent until then.";
      notice.hidden = false;
      wait = 3000;
    }
    clearTimeout(timer);
    timer = setTimeout(ask, wait);
  }
  timer = setTimeout(ask, 700);
  clicks.listen(stream, ask);
  byId("viewer")?.addEventListener("change", (event) => { location.search = event.target.value ? `?as=${encodeURIComponent(event.target.value)}` : ""; });
})();
