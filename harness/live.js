// Put into the served page by harness/watch.cpp: loads the page again when there is more to show.
(() => {
  const page = document.currentScript.dataset;
  const ASK_MS = 2000, LEAST_MS = 10000, LAST_MS = 4000, KEY = "longreach live place";
  const title = document.title;
  const note = document.createElement("p");
  note.setAttribute("role", "status");
  note.id = "live";
  note.style.cssText = "position:fixed;right:0;bottom:0;margin:0;padding:.2em .7em;font:14px sans-serif;"
    + "background:Canvas;color:CanvasText;border:1px solid GrayText;z-index:9";
  document.body.append(note);

  const say = (words) => {
    if (note.textContent === words) return;
    note.textContent = words;
    document.title = `${words.split(";")[0]} \u2013 ${title}`;
  };

  /** The first section in view, and where it stands in the window. */
  function remember() {
    const seen = [...document.querySelectorAll("main > section")]
      .find((section) => section.getBoundingClientRect().bottom > 0);
    sessionStorage.setItem(KEY, JSON.stringify({ id: seen?.id, top: seen?.getBoundingClientRect().top, y: scrollY }));
  }

  function goBack() {
    const place = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    sessionStorage.removeItem(KEY);
    if (!place) return;
    history.scrollRestoration = "manual";
    const section = place.id && document.getElementById(place.id);
    // What stands above is drawn as it comes, so that places move for a moment.
    let moves = 10;
    const move = () => {
      if (section) scrollBy({ top: section.getBoundingClientRect().top - place.top, behavior: "instant" });
      else scrollTo({ top: place.y, behavior: "instant" });
      if (--moves > 0) setTimeout(move, 50);
    };
    for (const event of ["wheel", "keydown", "pointerdown", "touchstart"]) {
      addEventListener(event, () => { moves = 0; }, { once: true, passive: true });
    }
    move();
  }

  /** Whether the reader is in the middle of something that would be lost. */
  const busy = () => document.hidden || document.querySelector("dialog[open]") !== null
    || document.activeElement?.matches("input:not([type=checkbox]), select, textarea") === true;

  async function ask() {
    let now;
    try {
      now = await (await fetch("version", { cache: "no-store" })).json();
    } catch {
      return say("not live any more; the watch has ended");
    }
    const all = now.cells > 0 && now.done === now.cells;
    say(now.cells === 0 ? "live: no cells yet" : `${all ? "done" : "live"}: ${now.done} of ${now.cells} cells`);
    const due = page.version === "none" || performance.now() > (all ? LAST_MS : LEAST_MS);
    if (now.version === page.version || !due || busy()) return;
    remember();
    location.reload();
    await new Promise(() => {});  // to ask again would stop what is being loaded
  }

  goBack();
  const again = () => ask().finally(() => setTimeout(again, ASK_MS));
  again();
})();
