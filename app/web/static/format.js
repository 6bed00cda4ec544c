// Numbers, durations and times as text.

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});

export const number = (value) => whole.format(value);

export function plural(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

export function bytes(value) {
  for (const unit of ["bytes", "kB", "MB", "GB"]) {
    if (value < 1000 || unit === "GB") return `${short.format(value)} ${unit}`;
    value /= 1000;
  }
}

export function duration(seconds) {
  if (seconds < 1) return "under 1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// `value`: epoch seconds or ISO 8601.
export const date = (value) => new Date(typeof value === "number" ? value * 1000 : value);

export function time(value) {
  const at = date(value);
  const today = at.toDateString() === new Date().toDateString();
  return (today ? clock : dayAndClock).format(at);
}

// What the server says to a person: without the sentences that name a route or a parameter.
export function plainly(detail) {
  const isOfRoutes = (text) => /\b(GET|POST|PUT|DELETE) \/|\?\w+=/.test(text);
  return detail.split(/(?<=[.?!)]) (?=[A-Z])/).filter((text) => !isOfRoutes(text)).join(" ");
}

export const sentence = (text) => {
  const words = text.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
};
