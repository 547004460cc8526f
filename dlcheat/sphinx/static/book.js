// Small repairs that need a script. It runs in the head, before the page is drawn.
"use strict";
// The search page fetches excerpts of its hits; from the disk a browser refuses that.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
