/* The one script: theme, copy buttons, and search on the first page. Works from file:// and sends nothing anywhere. */
"use strict";

(function () {
  var THEMES = ["system", "light", "dark"];
  var KEY = "hwcompat-theme";

  function stored() {
    try {
      return THEMES.indexOf(localStorage.getItem(KEY)) > 0 ? localStorage.getItem(KEY) : "system";
    } catch (refused) {
      return "system";
    }
  }

  function dress(theme) {
    if (theme === "system") {
      document.documentElement.removeAttribute("data-theme");
    } else {
      document.documentElement.setAttribute("data-theme", theme);
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch (refused) {
      /* a private window: the choice lasts for this page */
    }
  }

  var theme = stored();
  dress(theme); // before anything is drawn

  function themeButton(button) {
    function tell() {
      button.textContent = "Theme: " + theme;
    }
    tell();
    button.addEventListener("click", function () {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      dress(theme);
      keep(theme);
      tell();
    });
  }

  // --- copying --------------------------------------------------------------------------------------------------------

  function copyByHand(source) {
    var range = document.createRange();
    range.selectNodeContents(source);
    var selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }

  function say(text) {
    var status = document.getElementById("copy-status");
    status.textContent = "";
    window.setTimeout(function () {
      status.textContent = text;
    }, 50);
  }

  function copy(event) {
    var source = document.getElementById(event.currentTarget.getAttribute("data-copy"));
    function done() {
      say("Copied");
    }
    function byHand() {
      say(copyByHand(source) ? "Copied" : "Selected: copy it with your keyboard");
    }
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(source.textContent).then(done, byHand);
    } else {
      byHand();
    }
  }

  // --- opening what a link points at -----------------------------------------------------------------------------------

  function reveal() {
    var target = null;
    try {
      target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    } catch (malformed) {
      return;
    }
    for (var each = target; each; each = each.parentElement) {
      if (each.tagName === "DETAILS") {
        each.open = true;
      }
    }
    if (target && target.closest("details")) {
      target.scrollIntoView();
    }
  }

  // --- searching --------------------------------------------------------------------------------------------------------

  /* The same spelling as in the program: brands, spaces and dashes do not count. */
  function spelled(text, dropped) {
    var plain = text.toLowerCase().replace(/\((?:r|tm)\)/g, " ").replace(/\bmig \d+g\.\d+gb\b.*/, "").replace(/generation/g, " ");
    var words = (plain.match(/\d+ ?gb\b|[a-z0-9]+/g) || []).map(function (word) {
      return word === "mobile" ? "laptop" : word.replace(" ", "");
    });
    return words.filter(function (word) {
      return dropped.indexOf(word) < 0;
    }).join("");
  }

  /* How many letters must change, at most `most`: swaps of neighbours count once. */
  function distance(a, b, most) {
    if (Math.abs(a.length - b.length) > most) {
      return most + 1;
    }
    var before = [], last = [], now, least;
    for (var j = 0; j <= b.length; j++) {
      last[j] = j;
    }
    for (var i = 1; i <= a.length; i++) {
      now = [i];
      least = i;
      for (j = 1; j <= b.length; j++) {
        now[j] = Math.min(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
        if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
          now[j] = Math.min(now[j], before[j - 2] + 1);
        }
        least = Math.min(least, now[j]);
      }
      if (least > most) {
        return most + 1;
      }
      before = last;
      last = now;
    }
    return last[b.length];
  }

  /* 0 the very name, 1 its beginning or end, 2 a part of it; Infinity: something else. */
  function rank(words, asked, raw) {
    var best = Infinity;
    words.forEach(function (word) {
      if (word === asked || word === raw) {
        best = 0;
      } else if (asked && (word.startsWith(asked) || word.endsWith(asked))) {
        best = Math.min(best, 1);
      } else if ((asked && word.indexOf(asked) >= 0) || (raw.indexOf(":") > 0 && word.indexOf(raw) >= 0)) {
        best = Math.min(best, 2);
      }
    });
    return best;
  }

  function misspelt(words, asked) {
    var most = asked.length < 6 ? 1 : 2;
    var best = Infinity;
    words.forEach(function (word) {
      var found = distance(asked, word, most);
      if (found <= most) {
        best = Math.min(best, 3 + found);
      }
    });
    return best;
  }

  function holds(card, data, state) {
    if (state.chip && card.chips.indexOf(state.chip) < 0) {
      return false;
    }
    if (state.architecture && card.architectures.indexOf(state.architecture) < 0) {
      return false;
    }
    if (state.rows && !card.groups.length) {
      return false;
    }
    var ofRows = state.torch || state.cuda || state.source;
    if (!ofRows && speaks(card.assumed, state)) {
      return true;
    }
    return card.groups.some(function (group) {
      return data.groups[group].some(function (row) {
        return (!state.torch || data.texts[row[0]] === state.torch) && (!state.cuda || data.texts[row[1]] === state.cuda) &&
          (!state.source || data.texts[row[2]] === state.source) && speaks(data.texts[row[3]], state);
      });
    });
  }

  /* Whether "fp16=faulty bf16=ok" says what is asked for. */
  function speaks(told, state) {
    if (!state.capability && !state.verdict) {
      return true;
    }
    return told.split(" ").some(function (word) {
      var parts = word.split("=");
      return parts.length === 2 && (!state.capability || parts[0] === state.capability) &&
        (state.verdict ? parts[1] === state.verdict : parts[1] !== "unknown");
    });
  }

  function search(form) {
    var data = JSON.parse(document.getElementById("index-data").textContent);
    var body = document.querySelector("#results tbody");
    var lines = Array.prototype.slice.call(body.rows);
    var count = document.getElementById("result-count");
    var box = document.getElementById("search");

    function state() {
      var found = {};
      new FormData(form).forEach(function (value, name) {
        if (value.trim()) {
          found[name] = value.trim();
        }
      });
      return found;
    }

    function ranks(now, rule) {
      var asked = spelled(now.q || "", data.dropped), raw = (now.q || "").toLowerCase();
      return data.cards.map(function (card) {
        return !holds(card, data, now) ? Infinity : !now.q ? 0 : rule(card.words, asked, raw);
      });
    }

    function show() {
      var now = state();
      var found = ranks(now, rank), guessed = false;
      if (now.q && !found.some(isFinite)) {
        found = ranks(now, misspelt);
        guessed = found.some(isFinite);
      }
      var order = lines.map(function (line, at) { return at; });
      order.sort(function (a, b) { return (found[a] === found[b] ? 0 : found[a] < found[b] ? -1 : 1) || a - b; });
      order.forEach(function (at) {
        lines[at].hidden = !isFinite(found[at]);
        body.appendChild(lines[at]);
      });
      tell(found.filter(isFinite).length, guessed);
      return now;
    }

    function tell(number, guessed) {
      count.textContent = number + (number === 1 ? " card" : " cards") +
        (guessed ? ", spelled much like that" : number ? "" : ": try fewer filters, or another part of the name");
    }

    function remember(now) {
      var address = new URLSearchParams(now).toString();
      try {
        history.replaceState(null, "", address ? "?" + address : location.pathname);
      } catch (refused) {
        /* some browsers refuse it for files: the page still works */
      }
    }

    function recall() {
      var asked = new URLSearchParams(location.search);
      Array.prototype.forEach.call(form.elements, function (field) {
        if (field.type === "checkbox") {
          field.checked = asked.get(field.name) === "1";
        } else if (field.name) {
          field.value = asked.get(field.name) || "";
        }
      });
    }

    var waiting = 0;
    function changed() {
      window.clearTimeout(waiting);
      waiting = window.setTimeout(function () { remember(show()); }, 60);
    }

    form.addEventListener("input", changed);
    form.addEventListener("change", changed);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    document.getElementById("clear-filters").addEventListener("click", function () {
      form.reset();
      remember(show());
      box.focus();
    });
    window.addEventListener("popstate", function () { recall(); show(); });
    recall();
    show();
  }

  document.addEventListener("DOMContentLoaded", function () {
    document.body.setAttribute("data-script", "on");
    themeButton(document.getElementById("theme"));
    Array.prototype.forEach.call(document.querySelectorAll("[data-copy]"), function (button) {
      button.addEventListener("click", copy);
    });
    var form = document.getElementById("filters");
    if (form) {
      search(form);
    }
    window.addEventListener("hashchange", reveal);
    reveal();
  });
})();
