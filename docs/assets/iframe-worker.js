// Browsers start no worker for a page that is opened from the disk. The worker of the search then
// runs in a hidden frame, which has the part of a worker's interface that the search uses.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.loaded = new Promise((resolve) => this.frame.addEventListener("load", resolve));
      window.receiveFromWorker = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const source = new URL(url, location.href).href.replaceAll('"', "%22");
      this.frame.srcdoc =
        "<script>window.postMessage = (data) => parent.receiveFromWorker(data);</" + "script>" +
        '<script src="' + source + '"></' + "script>";
      const attach = () => document.body.append(this.frame);
      if (document.body) attach();
      else addEventListener("DOMContentLoaded", attach);
    }

    postMessage(data) {
      this.loaded.then(() =>
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }))
      );
    }

    terminate() {
      this.frame.remove();
    }
  };
  window.Worker = window.IFrameWorker;
}
