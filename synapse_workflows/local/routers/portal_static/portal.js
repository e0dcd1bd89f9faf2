/* Clients write the page of an entity as a fragment: /#!Synapse:syn123. Servers do not receive fragments. */
"use strict";
(() => {
  const open = () => {
    const page = /^#!((?:Synapse|Wiki|Evaluation|Profile|Team):[\w./-]+)$/.exec(location.hash);
    if (page) location.replace(`/${page[1]}`);
  };
  addEventListener("hashchange", open);
  open();
})();
