// The first rows of a file as this browser reads them, and whether they look like one person's.

const HEAD = 16_384;
const TAIL = 65_536;
const SHOWN = 5;
const SEPARATORS = [",", ";", "\t", "|"];

const isPacked = (file, type) => file.name.toLowerCase().endsWith(type);
const latin = (bytes) => new TextDecoder("latin1").decode(bytes);

// Returns the first bytes, of a .gz unpacked; of a .zip, whose rows are not shown, null.
async function headOf(file) {
  if (isPacked(file, ".zip")) return null;
  if (!isPacked(file, ".gz")) return new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  const reader = file.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const { value = new Uint8Array() } = await reader.read();
  reader.cancel();
  return value.slice(0, HEAD);
}

const WIDE = [[0xff, 0xfe, "utf-16le"], [0xfe, 0xff, "utf-16be"]];

function decode(bytes, charset) {
  const wide = WIDE.find(([one, two]) => bytes[0] === one && bytes[1] === two)?.[2];
  if (charset || wide) return new TextDecoder(wide ?? charset.replace("mac-roman", "macintosh")).decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

function fields(line, separator) {
  const found = [""];
  let quoted = false;
  for (const letter of line) {
    if (letter === '"') quoted = !quoted;
    else if (letter === separator && !quoted) found.push("");
    else found[found.length - 1] += letter;
  }
  return found.map((field) => field.trim());
}

// Returns the header and some rows as lists of texts; [] where they cannot be shown. `wanted(line)`: which rows.
export async function firstRows(file, charset = "", wanted = () => true) {
  const bytes = await headOf(file).catch(() => null);
  if (!bytes) return [];
  const lines = decode(bytes, charset).split(/\r?\n/).filter((line) => line.trim());
  const said = /^"?sep=(.)"?\s*$/i.exec(lines[0] ?? "");
  if (said) lines.shift();
  const count = (separator) => (lines[0] ?? "").split(separator).length;
  const separator = said?.[1] ?? SEPARATORS.reduce((best, one) => (count(one) > count(best) ? one : best));
  const [header = "", ...rows] = lines;
  return [header, ...rows.filter(wanted).slice(0, SHOWN)].map((line) => fields(line, separator));
}

// Whether the file looks like one person's: it names no users, and is no list of films.
export async function isPersonal(file) {
  if (isPacked(file, ".zip")) {
    const names = latin(await file.slice(-TAIL).arrayBuffer());
    return !/movies\.(csv|dat)|u\.(item|data)|links\.csv/i.test(names);
  }
  const [header = []] = await firstRows(file);
  const [first = ""] = header;
  return !header.some((name) => /^user.?id$/i.test(name)) && !/^((movie)?.?id$|\d+(::|$))/i.test(first);
}
