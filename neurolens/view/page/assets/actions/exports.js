/** The buttons that save: SVG, PNG, CSV; and the list of keys. */
import { findById } from "../core/dom.js";
import { nameFile, saveBlob, saveText, writeTable } from "./files.js";
import { paintPicture, writePicture } from "./picture.js";

/** Listen to the buttons. */
export function listenToExports(page) {
  const { title } = page.doc;
  findById("save-svg").addEventListener("click", () => {
    saveText(drawPicture(page), nameFile(title, "svg"), "image/svg+xml");
  });
  findById("save-png").addEventListener("click", async () => {
    const button = findById("save-png");
    button.disabled = true;
    try {
      saveBlob(await paintPicture(drawPicture(page)), nameFile(title, "png"));
    } catch (error) {
      findById("status").textContent = `No PNG: ${error.message}. Save it as SVG.`;
    } finally {
      button.disabled = false;
    }
  });
  const table = findById("save-csv");
  table.hidden = !page.doc.regions.length;
  table.addEventListener("click", () => saveText(writeTable(page.doc), nameFile(title, "csv"), "text/csv"));
  const help = findById("help");
  findById("show-help").addEventListener("click", () => help.showModal());
}

/** The picture of the whole graph, also where only a part of it is drawn. */
function drawPicture(page) {
  const isPart = page.drawing.drawn !== null;
  if (isPart) page.drawAll();
  const text = writePicture(page);
  if (isPart) page.drawInView();
  return text;
}
