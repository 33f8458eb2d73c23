// Package e2e tests the binary as people and apps meet it: started as a process, on SQLite and Postgres, with a real
// Chromium, a real SMTP server, a server that speaks Twilio's API, and relying parties that are not ours. Its folder
// bench measures speed and size.
package e2e
