import { AddCameraDialog } from "./add-camera-dialog.js";
import { AlertList } from "./alert-list.js";
import { Announcer } from "./announcer.js";
import { socketUrl } from "./api.js";
import { AppHeader } from "./app-header.js";
import { LiveSocket } from "./live-socket.js";
import { NoticeList } from "./notice-list.js";
import { RemoveDialog } from "./remove-dialog.js";
import { ShareWebcamDialog } from "./share-webcam-dialog.js";
import { StatusBar } from "./status-bar.js";
import { Store } from "./store.js";
import { StreamGrid } from "./stream-grid.js";
import { Ticker } from "./ticker.js";
import { UploadPanel } from "./upload-panel.js";
import { Uploads } from "./uploads.js";
import { WebcamShare } from "./webcam-share.js";

const VIEWS = ["#live", "#videos"];
const TITLE = document.title;

/** Puts the dashboard together; everything that lives as long as the page is made here. */
function start() {
  const store = new Store();
  const context = { store, ticker: new Ticker(), share: new WebcamShare(store), uploads: new Uploads(store) };
  const socket = new LiveSocket(socketUrl("/ws/live"), store);

  const addCamera = new AddCameraDialog(store);
  const shareWebcam = new ShareWebcamDialog(context);
  const remove = new RemoveDialog();
  const panel = new UploadPanel(context);
  const actions = {
    addCamera: () => addCamera.open(),
    shareWebcam: () => shareWebcam.open(),
    checkVideo: () => {
      location.hash = "#videos";
      panel.choose();
    },
    remove: (/** @type {string} */ streamId) => remove.open(streamId),
    retryNow: () => socket.retryNow(),
  };
  const header = new AppHeader(context, actions);

  place("app-top").append(header, new NoticeList(context), new AlertList(context));
  place("live").append(new StreamGrid(context, actions));
  place("videos").append(panel);
  place("app-bottom").append(new StatusBar(context));
  document.body.append(addCamera, shareWebcam, remove);
  new Announcer(store, document.body);

  const showView = () => {
    const hash = location.hash || "#live";
    if (!VIEWS.includes(hash)) return; // the skip link leads to a place, not to a view
    for (const view of VIEWS) place(view.slice(1)).hidden = view !== hash;
    header.showView(hash);
  };
  addEventListener("hashchange", showView);
  showView();
  // a tab in the background still says that somebody should look
  store.subscribe("alerts", () => {
    const raised = store.alerts().filter((alert) => !alert.over).length;
    document.title = raised > 0 ? `(${raised}) ${TITLE}` : TITLE;
  });
  addEventListener("online", () => socket.retryNow());
  takeDroppedFiles((files) => {
    location.hash = "#videos";
    panel.take(files);
  });
}

/** @param {string} id of an element of index.html */
function place(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/**
 * A video may be dropped anywhere; without this the browser would leave the page and play it.
 *
 * @param {(files: FileList) => void} take
 */
function takeDroppedFiles(take) {
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dropping");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dropping");
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

start();
