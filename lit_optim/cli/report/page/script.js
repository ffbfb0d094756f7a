"use strict";
const root = document.documentElement, off = new Set();
const all = selector => [...document.querySelectorAll(selector)];
root.dataset.x = "steps";
root.dataset.y = "linear";
all("details.log").forEach(each => { each.open = true; });

function settle() {  // which contenders, which axes
  root.dataset.off = [...off].join(" ");
  for (const button of all("button")) {
    const [key, value] = (button.dataset.set || "").split("=");
    button.setAttribute("aria-pressed", key ? root.dataset[key] === value : !off.has(button.dataset.contender));
  }
}
for (const button of all("button")) {
  button.disabled = false;
  button.addEventListener("click", () => {
    const contender = button.dataset.contender, [key, value] = (button.dataset.set || "").split("=");
    if (key) root.dataset[key] = value;
    else if (!off.delete(contender)) off.add(contender);
    settle();
  });
}
settle();

function make(name, attributes, parent, text) {
  const made = document.createElementNS(parent.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}
for (const svg of all("svg[data-stops]")) {
  const stops = JSON.parse(svg.dataset.stops), box = svg.viewBox.baseVal, output = svg.parentNode.querySelector("output");
  const colors = Number(svg.closest("main").dataset.colors);
  let now = -1, cursor = null;
  const shown = stop => stop[3].filter(([contender]) => !off.has(String(contender)));

  function read(i) {
    now = i;
    if (cursor) cursor.remove();
    cursor = null;
    output.replaceChildren();
    if (i < 0) return;
    const [x, y, title] = stops[i];
    cursor = make("path", {class: "cursor", d: y === null ? `M${x} 8V${box.height - 40}` : `M${x - 8} ${y}a8 8 0 1 0 16 0a8 8 0 1 0-16 0z`}, svg);
    make("b", {}, output, title);
    for (const [contender, text] of shown(stops[i])) make("i", {}, make("span", {class: "k" + contender % colors}, output), text);
  }
  function near(event) {
    const frame = svg.getBoundingClientRect();
    const x = (event.clientX - frame.left) * box.width / frame.width, y = (event.clientY - frame.top) * box.height / frame.height;
    let best = -1, least = Infinity;
    stops.forEach((stop, i) => {
      const far = Math.hypot(stop[0] - x, stop[1] === null ? 0 : stop[1] - y);
      if (far < least && shown(stop).length) [best, least] = [i, far];
    });
    read(best);
  }
  function move(from, by) {
    for (let i = from; i >= 0 && i < stops.length; i += by) if (shown(stops[i]).length) return read(i);
  }
  svg.addEventListener("pointermove", near);
  svg.addEventListener("pointerdown", near);
  svg.addEventListener("pointerleave", event => event.pointerType === "mouse" && read(-1));
  svg.addEventListener("focus", () => now < 0 && svg.matches(":focus-visible") && move(0, 1));
  svg.addEventListener("blur", () => read(-1));
  svg.addEventListener("keydown", event => {
    const key = event.key;
    if (key === "ArrowRight") move(now + 1, 1);
    else if (key === "ArrowLeft") move(now < 0 ? stops.length - 1 : now - 1, -1);
    else if (key === "Home") move(0, 1);
    else if (key === "End") move(stops.length - 1, -1);
    else if (key === "Escape") read(-1);
    else return;
    event.preventDefault();
  });
}
