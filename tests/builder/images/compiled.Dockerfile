FROM host:5000/modelcast-runtime:1
COPY bundle /opt/app-root/bundle
LABEL "modelcast.name"="spam"
