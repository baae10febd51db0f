"use strict";
const find = (selector) => document.querySelector(selector);
const form = find("#form"), button = find("button"), message = find("#message"), result = find("#result");
const kinds = { figure: "image/jpeg", npz: "application/octet-stream", json: "application/json" };
let addresses = [];

for (const input of document.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => showPhoto(input));
  showPhoto(input);
}
for (const input of document.querySelectorAll("input[type=range]")) {
  const output = input.parentElement.querySelector("output");
  const show = () => { output.value = input.name === "ratio" && Number(input.value) === Number(input.max) ? "off" : input.value; };
  input.addEventListener("input", show);
  show();
}

function showPhoto(input) {
  const label = input.parentElement, image = label.querySelector("img"), text = label.querySelector("span");
  text.dataset.empty ??= text.textContent;
  const file = input.files[0];
  label.classList.toggle("chosen", Boolean(file));
  label.classList.remove("seen"); // browsers show no previews of some formats that hndesc reads
  text.textContent = file ? file.name : text.dataset.empty;
  URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  if (file) {
    image.onload = () => label.classList.add("seen");
    image.src = URL.createObjectURL(file);
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  result.hidden = true;
  say("Matching. The first time, the model is loaded, too.");
  try {
    const answer = await fetch("match", { method: "POST", body: new FormData(form) });
    const found = await answer.json();
    if (answer.ok) { show(found); say(""); } else { say(found.error, true); }
  } catch (error) {
    say(`The program does not answer (${error.message}); is 'hndesc app' still running?`, true);
  }
  button.disabled = false;
});

function say(text, bad = false) {
  message.textContent = text;
  message.classList.toggle("bad", bad);
}

function show(found) {
  const share = found.matches ? ` (${Math.round(100 * found.inliers / found.matches)}%)` : "";
  const estimated = found.geometry !== "none";
  const numbers = found.photos.map((photo) => [`Keypoints of ${photo.name}`, photo.keypoints.toLocaleString("en")]);
  numbers.push(["Matches", found.matches.toLocaleString("en")]);
  if (estimated) numbers.push(["Inliers", found.inliers.toLocaleString("en") + share]);
  find("#numbers").replaceChildren(...numbers.map(([name, value]) => pair(name, value)));
  find("#doubt").textContent = sentence(found.doubt);
  find("#estimate").hidden = !found.matrix;
  find("#estimate h2").textContent = sentence(found.geometry, "");
  find("#estimate p").textContent = sentence(found.choice);
  find("#estimate table").replaceChildren(...(found.matrix ?? []).map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map((value) => cell(readable(value))));
    return line;
  }));
  addresses.forEach((address) => URL.revokeObjectURL(address));
  const [figure, npz, json] = addresses = Object.keys(kinds).map((kind) => address(found[kind], kinds[kind]));
  find("#figure").src = find("#full").href = find("#jpg").href = figure;
  find("#npz").href = npz;
  find("#json").href = json;
  result.hidden = false;
}

function pair(name, value) {
  const box = document.createElement("div"), term = document.createElement("dt"), number = document.createElement("dd");
  term.textContent = name;
  number.textContent = value;
  box.append(term, number);
  return box;
}

function cell(text) {
  const made = document.createElement("td");
  made.textContent = text;
  return made;
}

function readable(value) {
  return value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(4) : Number(value.toPrecision(6)).toString();
}

function sentence(text, end = ".") {
  return text ? text[0].toUpperCase() + text.slice(1) + end : "";
}

function address(encoded, type) {
  return URL.createObjectURL(new Blob([Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0))], { type }));
}
