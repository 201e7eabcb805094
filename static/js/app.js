import { AddCameraDialog } from "./streams/add-camera-dialog.js";
import { AlertList } from "./events/alert-list.js";
import { Announcer } from "./core/announcer.js";
import { socketUrl } from "./core/api.js";
import { AppHeader } from "./core/app-header.js";
import { DeleteEventDialog } from "./events/delete-event-dialog.js";
import { EventDesk } from "./events/event-desk.js";
import { EventList } from "./events/event-list.js";
import { EventPage } from "./events/event-page.js";
import { LiveSocket } from "./core/live-socket.js";
import { NoticeList } from "./core/notice-list.js";
import { RemoveDialog } from "./streams/remove-dialog.js";
import { routeOf } from "./core/route.js";
import { ShareWebcamDialog } from "./streams/share-webcam-dialog.js";
import { StatusBar } from "./core/status-bar.js";
import { Store } from "./core/store.js";
import { StreamGrid } from "./streams/stream-grid.js";
import { Ticker } from "./core/ticker.js";
import { UploadPanel } from "./uploads/upload-panel.js";
import { Uploads } from "./uploads/uploads.js";
import { WebcamShare } from "./streams/webcam-share.js";

/** @import { Route } from "./core/route.js" */

const VIEWS = ["live", "videos", "events", "event"];
const TITLE = document.title;

/** Puts the dashboard together; everything that lives as long as the page is made here. */
function start() {
  const store = new Store();
  const context = { store, ticker: new Ticker(), share: new WebcamShare(store), uploads: new Uploads(store), events: new EventDesk(store) };
  const socket = new LiveSocket(socketUrl("/ws/live"), store);

  const addCamera = new AddCameraDialog(store);
  const shareWebcam = new ShareWebcamDialog(context);
  const remove = new RemoveDialog();
  const deletion = new DeleteEventDialog(context);
  const panel = new UploadPanel(context);
  const list = new EventList(context);
  const title = new Title(store);
  const actions = {
    addCamera: () => addCamera.open(),
    shareWebcam: () => shareWebcam.open(),
    checkVideo: () => {
      location.hash = "#videos";
      panel.choose();
    },
    remove: (/** @type {string} */ streamId) => remove.open(streamId),
    deleteEvent: (/** @type {string} */ id) => deletion.open(id),
    titled: (/** @type {string} */ words) => title.show(words),
    retryNow: () => socket.retryNow(),
  };
  const header = new AppHeader(context, actions);

  place("app-top").append(header, new NoticeList(context), new AlertList(context));
  place("live").append(new StreamGrid(context, actions));
  place("videos").append(panel);
  place("events").append(list);
  place("app-bottom").append(new StatusBar(context));
  document.body.append(addCamera, shareWebcam, remove, deletion);
  new Announcer(store, document.body);

  /** @type {Route | null} */
  let before = null;
  const showView = () => {
    const route = routeOf(location.hash);
    if (!route) return; // the skip link leads to a place, not to a view
    const from = before;
    before = route;
    for (const view of VIEWS) place(view).hidden = view !== route.view;
    header.showView(route.view);
    if (route.view !== "events") list.leave();
    if (route.view !== "event") place("event").replaceChildren();
    title.show({ live: "", videos: "Check a video", events: "Events", event: "Event" }[route.view]);
    if (route.view === "events") list.open(from?.view === "event" ? from.id : null, from !== null);
    if (route.view === "event") {
      const page = new EventPage(context, route.id, actions);
      place("event").replaceChildren(page);
      scrollTo({ top: 0 });
      if (from) page.open();
    }
  };
  addEventListener("hashchange", showView);
  showView();
  addEventListener("online", () => socket.retryNow());
  takeDroppedFiles((files) => {
    location.hash = "#videos";
    panel.take(files);
  });
}

/** The page's title: the view, and how many alerts are raised; a tab in the background still says that somebody should look. */
class Title {
  #store;
  #view = "";

  /** @param {Store} store */
  constructor(store) {
    this.#store = store;
    store.subscribe("alerts", () => this.show(this.#view));
  }

  /** @param {string} view "" for the first one */
  show(view) {
    this.#view = view;
    const raised = this.#store.alerts().filter((alert) => !alert.over).length;
    document.title = `${raised > 0 ? `(${raised}) ` : ""}${view ? `${view} · ` : ""}${TITLE}`;
  }
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
