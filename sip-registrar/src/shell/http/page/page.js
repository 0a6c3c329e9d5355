// Live meetings. Everything that comes from outside goes into the page as text (textContent), never as HTML.
"use strict";

const REFRESH = 1500; // milliseconds between two looks
const LIMIT = 20; // meetings whose media are asked for, at most, each time

const find = (id) => document.getElementById(id);
const part = (element, name) => element.querySelector("." + name);
const token = () => sessionStorage.getItem("token");
const cards = new Map(); // id of a meeting → its card

// Sets text only when it has changed, so that what is selected stays selected.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

async function api(method, path, body) {
  const headers = {};
  if (token()) headers.Authorization = "Bearer " + token();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = { method, headers, cache: "no-store" };
  if (body !== undefined) options.body = JSON.stringify(body);
  const response = await fetch("/api/v1/" + path, options);
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail || response.statusText), { status: response.status });
}

const at = (meeting, rest) => "meetings/" + encodeURIComponent(meeting.name) + (rest || "");

function complain(error) {
  const text = error.status ? error.message : "The server does not answer.";
  write(find("trouble"), text);
  find("trouble").hidden = false;
}

async function steer(work) {
  try {
    await work();
    await refresh();
  } catch (error) {
    complain(error);
  }
}

function duration(since) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function moment(time) {
  return new Date(time).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

function facts(meeting) {
  const all = [];
  if (meeting.subject) all.push(meeting.name);
  if (meeting.organizer) all.push("by " + meeting.organizer);
  if (meeting.since) all.push("for " + duration(meeting.since));
  if (meeting.schedule) {
    const { start, end } = meeting.schedule;
    all.push("planned " + moment(start) + (end ? " to " + moment(end) : ""));
  }
  all.push("media: " + (meeting.mode === "mixer" ? "through the mixer" : "directly between the two"));
  if (meeting.visibility !== "public") all.push(meeting.visibility);
  if (meeting.locked) all.push("locked");
  if (meeting.has_pin) all.push("PIN");
  if (meeting.waiting_room) all.push("waiting room");
  return all.join(" · ");
}

function make(template, bind) {
  const element = find(template).content.firstElementChild.cloneNode(true);
  for (const button of element.querySelectorAll(":scope > .steer button")) {
    button.addEventListener("click", () => bind[button.dataset.act]());
  }
  return element;
}

function newCard() {
  const card = { rows: new Map(), meeting: null };
  card.element = make("meeting-template", {
    lock: () => steer(() => api("POST", at(card.meeting, card.meeting.locked ? "/unlock" : "/lock"))),
    mute: () => steer(() => api("POST", at(card.meeting, "/mute"))),
    cancel: () => {
      if (confirm("End this meeting for everybody?")) steer(() => api("DELETE", at(card.meeting)));
    },
  });
  return card;
}

function newRow(card) {
  const row = { member: null };
  const path = () => at(card.meeting, "/members/" + encodeURIComponent(row.member.id));
  row.element = make("member-template", {
    admit: () => steer(() => api("PATCH", path(), { admitted: true })),
    mute: () => steer(() => api("PATCH", path(), { muted: !row.member.muted })),
    kick: () => {
      if (confirm("Remove " + row.member.name + "?")) steer(() => api("DELETE", path()));
    },
  });
  return row;
}

function showMember(row, member, media) {
  row.member = member;
  const element = row.element;
  write(part(element, "name"), member.name);
  write(part(element, "uri"), member.uri + (member.verified ? "" : " (not verified)"));
  const tags = [];
  if (member.role !== "participant") tags.push(member.role);
  if (member.state !== "connected") tags.push(member.state);
  if (member.muted) tags.push("muted");
  if (member.since) tags.push(duration(member.since));
  write(part(element, "tags"), tags.join(" · "));
  const waits = member.state === "waiting";
  element.querySelector("[data-act=admit]").hidden = !waits;
  write(element.querySelector("[data-act=mute]"), member.muted ? "Unmute" : "Mute");
  const level = part(element, "level");
  level.value = media ? media.level : -127;
  level.title = media ? media.level + " dBov" : "no media";
  level.setAttribute("aria-label", "level of " + member.name);
  level.hidden = !media;
  element.classList.toggle("speaking", Boolean(media && media.speaking));
  const flows = (s) => s.kbit_in > 0 || s.kbit_out > 0 || s.loss_in > 0;
  const streams = media ? media.streams.filter(flows) : [];
  const worst = Math.max(0, ...streams.map((s) => Math.max(s.loss_in, s.loss_out)));
  const text = streams.map((s) => {
    const trip = s.rtt_ms === null ? "" : ` · round trip ${s.rtt_ms.toFixed(0)} ms`;
    return `${s.medium} ${s.codec} · loss ↑${s.loss_in.toFixed(1)} ↓${s.loss_out.toFixed(1)} %` +
      ` · jitter ${s.jitter_ms.toFixed(1)} ms${trip} · ↑${s.kbit_in.toFixed(0)} ↓${s.kbit_out.toFixed(0)} kbit/s`;
  });
  write(part(element, "streams"), text.join("\n"));
  part(element, "streams").className = "streams" + (worst >= 5 ? " bad" : worst >= 1 ? " lossy" : "");
}

// Brings the children of a list in line with what there is: `show` fills the entry of each.
function align(list, known, things, key, create, show) {
  const ids = new Set(things.map(key));
  for (const [id, entry] of known) {
    if (!ids.has(id)) {
      entry.element.remove();
      known.delete(id);
    }
  }
  things.forEach((thing, index) => {
    let entry = known.get(key(thing));
    if (!entry) {
      entry = create();
      known.set(key(thing), entry);
    }
    if (list.children[index] !== entry.element) list.insertBefore(entry.element, list.children[index] || null);
    show(entry, thing);
  });
}

function showMeeting(card, meeting, media) {
  card.meeting = meeting;
  const element = card.element;
  write(part(element, "title"), meeting.subject || meeting.name);
  write(part(element, "state"), meeting.state === "running" ? "live" : meeting.state);
  part(element, "state").className = "state " + meeting.state;
  write(part(element, "facts"), facts(meeting));
  write(element.querySelector(":scope > .steer [data-act=lock]"), meeting.locked ? "Unlock" : "Lock");
  align(
    part(element, "members"), card.rows, meeting.members, (member) => member.id, () => newRow(card),
    (row, member) => showMember(row, member, media.get(member.id)),
  );
}

async function stats(meeting) {
  if (meeting.members.length === 0) return new Map();
  try {
    const found = await api("GET", at(meeting, "/stats"));
    return new Map(found.map((media) => [media.id, media]));
  } catch {
    return new Map(); // the meeting has just ended, or there is no mixer: people are shown all the same
  }
}

async function refresh() {
  const meetings = await api("GET", "meetings");
  const rank = { running: 0, open: 1, planned: 2 };
  meetings.sort((a, b) => rank[a.state] - rank[b.state] || a.name.localeCompare(b.name));
  const asked = meetings.slice(0, LIMIT).map(stats);
  const media = await Promise.all(asked);
  const byId = new Map(meetings.map((meeting, index) => [meeting.id, media[index] || new Map()]));
  document.body.classList.toggle("steering", Boolean(token()));
  align(
    find("meetings"), cards, meetings, (meeting) => meeting.id, newCard,
    (card, meeting) => showMeeting(card, meeting, byId.get(meeting.id)),
  );
  const people = meetings.reduce((sum, meeting) => sum + meeting.members.length, 0);
  write(find("summary"), `${meetings.length} meeting(s), ${people} member(s)`);
  find("nobody").hidden = meetings.length > 0;
}

async function live() {
  if (!document.hidden) {
    try {
      await refresh();
      find("trouble").hidden = true;
    } catch (error) {
      complain(error);
      if (error.status === 401 && !find("token-dialog").open && !find("token").dataset.asked) {
        find("token").dataset.asked = "yes";
        find("token-dialog").showModal();
      }
    }
  }
  setTimeout(live, REFRESH);
}

find("open-token").addEventListener("click", () => find("token-dialog").showModal());
find("token-dialog").addEventListener("close", () => {
  const shown = find("token").value.trim();
  if (find("token-dialog").returnValue === "forget") sessionStorage.removeItem("token");
  else if (shown) sessionStorage.setItem("token", shown);
  find("token").value = "";
});
live();
