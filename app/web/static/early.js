// A form that is sent before the page's scripts have run is sent once more when they have: the browser by itself would
// load the page again, and what was typed would be lost. No module, so that it runs before the page is shown.

{
  let sent = null;
  const hold = (event) => {
    if (event.target.method === "post") return;
    event.preventDefault();
    event.stopPropagation();
    sent = event;
  };
  document.addEventListener("submit", hold, true);
  document.addEventListener("DOMContentLoaded", () => {
    document.removeEventListener("submit", hold, true);
    sent?.target.requestSubmit(sent.submitter);
  });
}
