// Read [{secret, headers, body}, ...] from standard input; print which of them the official library verifies.
const { Webhook } = require("standardwebhooks");

const verifies = ({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
};

let input = "";
process.stdin.on("data", (chunk) => (input += chunk));
process.stdin.on("end", () => console.log(JSON.stringify(JSON.parse(input).map(verifies))));
