// What an import could not know of a file: a form asks that alone, with the first rows of the file.

import { element, find, show } from "./dom.js";
import { plainly, sentence } from "./format.js";
import { firstRows } from "./preview.js";

const ROLES = {
  "": "–", title: "Title", year: "Year", score: "Score", rated_at: "Date of the score", imdb_id: "IMDb id",
  tmdb_id: "TMDB id", original_title: "Original title", released: "Release date", type: "Kind (film, series)",
  user_id: "User id", movie_id: "Film id",
};
const LABELS = {
  scale: { 5: "0 to 5", 10: "0 to 10", 100: "0 to 100", thumbs: "Thumbs up and down" },
  dates: { day: "The day: 5/1/2024 is in January", month: "The month: 5/1/2024 is in May" },
};
const TITLES = {
  columns: "Which column is what?", scale: "On which scale are the scores?",
  charset: "Which of these is written right?", dates: "What comes first in a date?",
};

const questionOf = (problem) => problem?.errors?.find(({ parameter }) => parameter in TITLES) ?? null;

// Whether a problem asks what a person can say who sees the first rows: not which columns a picture has.
export async function isQuestion(problem, file) {
  const question = questionOf(problem);
  if (question?.parameter !== "columns") return question !== null;
  const [header] = await firstRows(file);
  if (!header) return question.candidates?.length > 1;
  return header.length > 1 && !/[\0-\x08\ufffd]/.test(header.join(""));
}

// Columns without rows to show, as of a zip: "Film" or "Film (column 3)", by number where there is one.
function named(candidates) {
  return candidates.map((text) => ({ text, said: /\(column (\d+)\)$/.exec(text)?.[1] ?? text }));
}

function roleOf({ text, said }) {
  const options = Object.entries(ROLES).map(([role, label]) => element("option", { value: role }, label));
  return element("select", { "data-column": said, "aria-label": `What “${text}” is` }, ...options);
}

function table(rows, selects) {
  const cells = (tag, row, attributes) => row.map((text) => element(tag, attributes, text));
  const [header, ...others] = rows;
  const head = [element("tr", {}, ...cells("th", header, { scope: "col" }))];
  if (selects) head.push(element("tr", {}, ...selects.map((select) => element("td", {}, select))));
  const body = others.map((row) => element("tr", {}, ...cells("td", row.slice(0, header.length), { dir: "auto" })));
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "The first rows of the file" },
    element("table", {}, element("thead", {}, ...head), element("tbody", {}, ...body)),
  );
}

async function columnFields(file, { candidates = [] }, answers) {
  const rows = await firstRows(file, answers.charset);
  if (rows.length) {
    const columns = rows[0].map((text, i) => ({ text: text || `column ${i + 1}`, said: i + 1 }));
    return [table(rows, columns.map(roleOf))];
  }
  return named(candidates).map((column) => element("label", {}, `${column.text} `, roleOf(column)));
}

const radio = (name, value, ...text) =>
  element("label", {}, element("input", { type: "radio", name, value, required: true }), " ", ...text);

// Each charset with lines that have other letters than ASCII, written as they are in it.
async function charsetFields(file, { candidates = [] }) {
  const foreign = (line) => /[^\x00-\x7f]/.test(line);
  const samples = candidates.map(async (charset) => {
    const [, ...rows] = await firstRows(file, charset, foreign).catch(() => []);
    const sample = rows.slice(0, 2).map((row) => row.filter(foreign).join(", ")).join(" · ");
    return radio("charset", charset, element("bdi", {}, sample || charset), " ", element("code", {}, charset));
  });
  return Promise.all(samples);
}

async function choiceFields(file, { parameter, candidates = [] }, answers) {
  const rows = await firstRows(file, answers.charset);
  const label = (value) => LABELS[parameter][value] ?? value;
  return [...candidates.map((value) => radio(parameter, value, label(value))), rows.length ? table(rows) : null];
}

const FIELDS = { columns: columnFields, charset: charsetFields, scale: choiceFields, dates: choiceFields };

function answerOf(parameter, form) {
  if (parameter !== "columns") return new FormData(form).get(parameter) ?? "";
  const chosen = [...form.querySelectorAll("select")].filter((select) => select.value);
  return chosen.map((select) => `${select.value}:${select.dataset.column}`).join(",");
}

// What the server says of it; of columns not all that it would have expected.
function textOf(detail, { parameter, detail: asked }) {
  const text = plainly(detail);
  if (parameter !== "columns") return text || sentence(asked);
  return `${text.split(/(?<=\.) (?=[A-Z])/)[0]} Say which are the title, or an id, and the score.`;
}

// Asks; `answered({...answers, [parameter]: value})` is called when the form is sent.
export async function ask(file, problem, answers, answered) {
  const question = questionOf(problem);
  const form = find("question");
  const { parameter } = question;
  find("question-title").textContent = TITLES[parameter];
  find("question-text").textContent = textOf(problem.detail, question);
  const made = await FIELDS[parameter](file, question, answers);
  find("question-fields").replaceChildren(...made.filter(Boolean));
  form.onsubmit = (event) => {
    event.preventDefault();
    const said = answerOf(parameter, form);
    if (!said) return find("question-fields").querySelector("select, input").focus();
    show(form, false);
    return answered({ ...answers, [parameter]: said });
  };
  show(find("choose"), false);
  show(form);
  find("question-title").focus();
}
