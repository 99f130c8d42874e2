// Files out of inputs and drops; folders are walked, hidden files (.DS_Store, Thumbs.db) left out.

const isHidden = (name) => name.startsWith(".") || name === "Thumbs.db" || name === "desktop.ini";

// File -> the folder it lay in, from the one that was dropped or chosen on: "1999/May".
const folders = new WeakMap();

export const folderOf = (file) => folders.get(file) ?? "";

export const pathOf = (file) => [folderOf(file), file.name].filter(Boolean).join("/");

const keepFolder = (file, path) => folders.set(file, path.split("/").slice(0, -1).filter(Boolean).join("/"));

export function filesOfInput(input) {
  const files = [...input.files].filter((file) => !isHidden(file.name));
  for (const file of files) keepFolder(file, file.webkitRelativePath);
  return files;
}

// What cannot be read (it was moved meanwhile, say) goes to `unreadable` by its path.
export async function filesOfDrop(transfer, unreadable) {
  // Entries must be taken before the first wait: the browser empties the list afterwards.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].filter((file) => !isHidden(file.name));
  const files = [];
  for (const entry of entries) await walk(entry, files, unreadable);
  return files;
}

export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function walk(entry, files, unreadable) {
  if (isHidden(entry.name)) return;
  if (entry.isFile) {
    try {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      keepFolder(file, entry.fullPath);
      files.push(file);
    } catch {
      unreadable.push(entry.fullPath.slice(1));
    }
    return;
  }
  const reader = entry.createReader();
  // A reader gives at most a hundred entries at a time.
  for (;;) {
    let some;
    try {
      some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    } catch {
      unreadable.push(`${entry.fullPath.slice(1)}/`);
      return;
    }
    if (!some.length) return;
    for (const inner of some) await walk(inner, files, unreadable);
  }
}
