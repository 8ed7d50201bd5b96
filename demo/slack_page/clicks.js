// What people click, choose and write: sent to this Slack's server, which signs it and hands it to the app.
const clicks = (() => {
  const { viewer, token } = document.body.dataset;
  const dialog = document.getElementById("confirm");
  const busy = new Map(); // control -> how many of its clicks are on their way
  const failed = new Map(); // control -> what went wrong with the last one
  let closedAt = 0;
  let after = () => {};

  const messageOf = (control) => control.closest(".message");
  const keyOf = (control) => JSON.stringify([messageOf(control).id, control.dataset.block, control.dataset.action]);
  const ownControls = (message) => [...message.querySelectorAll("[data-action]")].filter((each) => messageOf(each) === message);
  const find = (key) => [...document.querySelectorAll("[data-action]")].find((each) => keyOf(each) === key);

  function paint() {
    for (const control of document.querySelectorAll("[data-action]")) {
      control.disabled = !(viewer && token);
      control.title = control.disabled ? (token ? "Choose above who you are to use this" : "A kept copy takes no clicks") : "";
      const waiting = (busy.get(keyOf(control)) || 0) > 0;
      control.classList.toggle("busy", waiting);
      control.toggleAttribute("aria-busy", waiting);
    }
    for (const old of document.querySelectorAll(".failure")) if (!failed.has(old.dataset.of)) old.remove();
    for (const [key, text] of failed) showFailure(key, text);
  }

  function showFailure(key, text) {
    const control = find(key), message = document.getElementById(JSON.parse(key)[0]);
    const place = control ? control.closest(".controls") : message?.querySelector(".body");
    if (!place || [...place.querySelectorAll(".failure")].some((each) => each.dataset.of === key)) return;
    const said = Object.assign(document.createElement("span"), { className: "failure", textContent: text });
    said.dataset.of = key;
    said.setAttribute("role", "alert");
    place.append(said);
  }

  function inputsOf(message) {
    const holding = ownControls(message).filter((each) => each.dataset.kind !== "button" && !(each.dataset.kind === "select" && !each.value));
    return holding.map((each) => ({ block_id: each.dataset.block, action_id: each.dataset.action, value: each.value }));
  }

  async function send(control) {
    const message = messageOf(control), key = keyOf(control);
    for (const old of failed.keys()) if (JSON.parse(old)[0] === message.id) failed.delete(old);
    busy.set(key, (busy.get(key) || 0) + 1);
    paint();
    const click = {
      channel: message.dataset.channel, ts: message.dataset.ts, user: viewer,
      block_id: control.dataset.block, action_id: control.dataset.action, inputs: inputsOf(message),
    };
    let error = "";
    try {
      const headers = { "Content-Type": "application/json", "X-Page-Token": token };
      const answer = await fetch("click", { method: "POST", headers, body: JSON.stringify(click) });
      error = (await answer.json()).error;
    } catch {
      error = "No connection to this Slack.";
    }
    busy.set(key, busy.get(key) - 1);
    if (error) failed.set(key, error);
    paint();
    after();
  }

  // The dialog's focus and Escape are the browser's; it asks nothing where the app wants no confirmation.
  function confirmed(control) {
    const asked = control.nextElementSibling;
    if (!asked?.matches("template")) return Promise.resolve(true);
    dialog.replaceChildren(asked.content.cloneNode(true));
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => { closedAt = Date.now(); resolve(dialog.returnValue === "confirm"); }, { once: true });
    });
  }

  async function use(control) {
    const was = control.dataset.was ?? "";
    if (await confirmed(control)) {
      control.dataset.was = control.value;
      await send(control);
    } else if (control.dataset.kind === "select") {
      control.value = was;
    }
  }

  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && event.detail < 2) dialog.close(button.value); // a double click on what opened it answers nothing
  });

  function listen(stream, whenDone) {
    after = whenDone;
    stream.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-action]");
      if (!button || (event.detail > 1 && Date.now() - closedAt < 500)) return;
      if (button.dataset.url) open(button.dataset.url, "_blank", "noopener,noreferrer");
      use(button);
    });
    stream.addEventListener("change", (event) => { if (event.target.matches("select[data-sends]")) use(event.target); });
    stream.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input[data-sends]")) use(event.target);
    });
  }

  // What somebody has begun to write survives that the message around it changes, as far as the field is still there.
  function carry(from, to) {
    const fields = new Map([...to.querySelectorAll("[data-action]")].map((each) => [keyOf(each), each]));
    let focus = null;
    for (const old of from.querySelectorAll("[data-action]")) {
      const field = fields.get(keyOf(old));
      if (field && old.dataset.kind !== "button" && old.value !== initialOf(old)) field.value = old.value;
      if (old === document.activeElement) focus = { field, start: old.selectionStart, end: old.selectionEnd };
    }
    return () => {
      if (!focus) return;
      (focus.field || to).focus({ preventScroll: true });
      if (focus.field?.setSelectionRange && focus.start !== undefined) focus.field.setSelectionRange(focus.start, focus.end);
    };
  }

  const initialOf = (field) => (field.tagName === "SELECT" ? [...field.options].find((each) => each.defaultSelected)?.value : field.defaultValue);

  return { paint, listen, carry };
})();
