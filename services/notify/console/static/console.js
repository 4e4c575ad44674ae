// Keeps the page up to date without reloading it. Everything works without this script too.
"use strict";

const live = document.querySelector("[data-live]");
const toggle = document.getElementById("live");
const AGAIN_AFTER_MS = 3000;

let source = null;
let again = 0;
let waiting = null; // what came while the reader was selecting text

function say(state) {
  toggle.classList.toggle("away", state === "away");
  toggle.querySelector(".live-text").textContent = { on: "Live", away: "Reconnecting", off: "Paused" }[state];
}

function isWanted() {
  return toggle.getAttribute("aria-pressed") === "true";
}

function isSelecting() {
  const selection = document.getSelection();
  return !selection.isCollapsed && live.contains(selection.anchorNode);
}

// Replaces what has changed and nothing else: an opened part stays open, and the keyboard stays where it was.
function show(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const open of live.querySelectorAll("details[open][id]")) {
    fresh.content.getElementById(open.id)?.setAttribute("open", "");
  }
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  const sections = [...fresh.content.children];
  const isSameShape =
    sections.length === live.children.length && sections.every((one, place) => one.id === live.children[place].id);
  if (isSameShape) {
    sections.forEach((one, place) => {
      if (one.outerHTML !== live.children[place].outerHTML) live.children[place].replaceWith(one);
    });
  } else {
    live.replaceChildren(...sections);
  }
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function showSoon(html) {
  if (isSelecting()) {
    waiting = html;
  } else {
    waiting = null;
    show(html);
  }
}

function follow() {
  leave();
  source = new EventSource(location.href);
  source.addEventListener("open", () => say("on"));
  source.addEventListener("live", (event) => {
    say("on");
    showSoon(JSON.parse(event.data));
  });
  source.addEventListener("away", () => say("away"));
  // The session has ended, or what the page shows is gone: the address itself tells which.
  source.addEventListener("over", () => {
    leave();
    location.reload();
  });
  source.addEventListener("error", () => {
    say("away");
    if (source.readyState === EventSource.CLOSED) again = setTimeout(follow, AGAIN_AFTER_MS);
  });
}

function leave() {
  clearTimeout(again);
  source?.close();
  source = null;
}

function followIfWanted() {
  if (isWanted() && document.visibilityState === "visible") {
    if (source === null) follow();
  } else {
    leave();
  }
}

// What the last button came to is read out: a region that is there from the start is passed over in silence.
document.querySelector("[data-said]")?.focus();

if (live && toggle) {
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    toggle.setAttribute("aria-pressed", String(!isWanted()));
    say(isWanted() ? "on" : "off");
    followIfWanted();
  });
  document.addEventListener("visibilitychange", followIfWanted);
  document.addEventListener("selectionchange", () => {
    if (waiting !== null && !isSelecting()) showSoon(waiting);
  });
  // A page on its way out must not come back with half a connection.
  addEventListener("pagehide", leave);
  addEventListener("pageshow", followIfWanted);
}
