// Keeps the status page current: sections come ready-made from the prober, lengths grow by themselves.
// Without this script the page says the same, as of the moment at which it was loaded.
"use strict";

const SILENT_AFTER = 6000; // ms; the prober says something every second
const page = { heard: Date.now(), behind: 0, source: null, state: null };

const status = document.createElement("div");
status.id = "link";
const heard = document.createElement("div");
heard.className = "heard";
heard.setAttribute("role", "status");
document.getElementById("top").append(status, heard);

// As `prober.publish.printable.length` says it.
function length(seconds) {
  if (seconds < 1) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  const two = (n) => String(n).padStart(2, "0");
  if (!hours) return `${minutes} min ${two(whole % 60)} s`;
  const days = Math.floor(hours / 24);
  return days ? `${days} d ${hours % 24} h` : `${hours} h ${two(minutes % 60)} min`;
}

// As `prober.web.pages.layout.ago` says it.
function ago(seconds) {
  return seconds < 1 ? "just now" : `${length(Math.floor(seconds)).replace(".0 s", " s")} ago`;
}

function grow() {
  const now = (Date.now() - page.behind) / 1000;
  for (const one of document.querySelectorAll("time.running")) {
    const passed = Math.max(0, now - Number(one.dataset.since));
    one.textContent = one.classList.contains("ago") ? ago(passed) : length(passed);
  }
  const silent = Date.now() - page.heard;
  const lost = silent > SILENT_AFTER;
  status.className = lost ? "lost" : "";
  document.body.classList.toggle("stale", lost);
  status.textContent = lost ? `not live: nothing heard for ${length(silent / 1000)}` : "live";
  if (lost && page.source.readyState === EventSource.CLOSED) listen();
}

// What had the focus keeps it, by where it leads.
function replace(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const made = document.createElement("template");
  made.innerHTML = html;
  old.replaceWith(made.content);
  if (focused) document.querySelector(`#${id} a[href="${CSS.escape(focused)}"]`)?.focus();
}

function told() {
  const verdict = document.querySelector(".verdict");
  if (!verdict) return;
  const state = verdict.dataset.state;
  const prober = document.title.slice(document.title.lastIndexOf(" · "));
  document.title = verdict.textContent + prober;
  if (state === page.state) return;
  // Said aloud when it changes, not each second.
  if (page.state !== null) heard.textContent = verdict.textContent;
  page.state = state;
  const icon = document.querySelector("link[rel=icon]");
  icon.href = icon.href.replace(/state=\w+/, `state=${state}`);
}

function listen() {
  page.source?.close();
  page.source = new EventSource(document.body.dataset.live);
  page.source.addEventListener("now", (event) => {
    const now = JSON.parse(event.data);
    page.heard = Date.now();
    page.behind = Date.now() - now.at * 1000;
    for (const [id, html] of Object.entries(now.sections)) replace(id, html);
    const asOf = document.getElementById("as-of");
    if (asOf) asOf.textContent = new Date(now.at * 1000).toISOString().replace("T", " ").replace("Z", " UTC");
    told();
    grow();
  });
}

told();
listen();
setInterval(grow, 1000);
