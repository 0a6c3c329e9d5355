//! SIP softphone: command line, window, or headless with files as microphone and camera.
