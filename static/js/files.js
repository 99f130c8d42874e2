// Files out of inputs and drops; folders are walked, hidden files (.DS_Store, Thumbs.db) left out.

const isHidden = (name) => name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini";

export function filesOfInput(input) {
  return [...input.files].filter((file) => !isHidden(file.name));
}

export async function filesOfDrop(transfer) {
  // Entries must be taken before the first wait: the browser empties the list afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].filter((file) => !isHidden(file.name));
  const files = [];
  for (const entry of entries) await walk(entry, files);
  return files;
}

async function walk(entry, files) {
  if (isHidden(entry.name)) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  // A reader gives at most a hundred entries at a time.
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const inner of some) await walk(inner, files);
  }
}
